"""What every weighting has: it learns with missing labels, and a killed training resumes to the same bits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import Network, NetworkSettings, build_network
from curvature_mtl.training.checkpoint import Checkpoint, Progress
from curvature_mtl.training.fit import Plan, TaskData, fit
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.weighting.build import build_weighting
from curvature_mtl.training.weighting.equal import Equal
from curvature_mtl.training.weighting.names import WEIGHTINGS
from curvature_mtl.training.weighting.uncertainty import Uncertainty
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

EPOCHS = 4
TASKS = ["all", "half", "rare"]


class Killed(Exception):
    """Stands for a job that ends in the middle."""


@pytest.fixture(scope="module")
def data() -> TaskData:
    """Fifty graphs: every one has a label of the first task, six training graphs one of the last."""
    rng = np.random.default_rng(0)
    graphs = [random_graph(rng, int(n), 2 * int(n)) for n in rng.integers(2, 6, size=50)]
    means = np.array([graph.node_features[:, 0].mean() for graph in graphs])
    targets = means[:, None] * [2, -2, 1] + 0.1 * rng.normal(size=(50, 3))
    targets[::2, 1] = np.nan
    targets[6:40, 2] = np.nan
    store = GraphStore.from_graphs(graphs, targets, tuple(TASKS))
    return TaskData(GraphTensors(store), torch.arange(40), torch.arange(40, 50), TASKS)


def train(data: TaskData, weighting: str, file: Path, last: int = EPOCHS) -> tuple[Network, Progress]:
    """Train with batches of four graphs, most of which have no label of the rare task; stop after an epoch."""
    network = build_network(NODE_DIM, EDGE_DIM, 3, NetworkSettings(8, 2, 8), seed=0)
    built = build_weighting(weighting, WEIGHTINGS[weighting].power, network)
    plan = Plan(EPOCHS, 0.02, 0, False, TrainingSettings(batch_size=4, loss_width=1.0))

    def stop(progress: Progress) -> None:
        if progress.epoch == last < EPOCHS:
            raise Killed

    return network, fit(network, built, data, plan, Checkpoint(file, "this"), stop)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_it_learns_with_missing_labels_and_resumes_to_the_same_bits(
    data: TaskData, tmp_path: Path, weighting: str
) -> None:
    network, progress = train(data, weighting, tmp_path / "whole")
    losses = np.array([row["train_loss"] for row in progress.history]).reshape(EPOCHS, 3)
    assert losses[-1, 0] < 0.8 * losses[0, 0]
    assert np.isfinite([row["weight"] for row in progress.history]).all()
    with pytest.raises(Killed):
        train(data, weighting, tmp_path / "killed", last=2)
    torch.manual_seed(1)  # the next process has another state of the random numbers
    resumed, history = train(data, weighting, tmp_path / "killed")
    assert history.history == progress.history
    assert (history.graphs, history.products) == (progress.graphs, progress.products)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_single_task_needs_no_weighting(weighting: str) -> None:
    network = build_network(NODE_DIM, EDGE_DIM, 1, NetworkSettings(4, 1, 4), seed=0)
    assert isinstance(build_weighting(weighting, 0.5, network), Equal)


def test_equal_weights_minimise_the_mean_loss() -> None:
    losses = torch.tensor([1.0, 2.0, 6.0])
    assert Equal().objective(losses).item() == 3


def minimum(weighting: Uncertainty, losses: Tensor) -> None:
    """Descend in the noise levels alone."""
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(1000):
        optimizer.zero_grad()
        weighting.objective(losses).backward()
        optimizer.step()


def test_at_the_best_noise_levels_a_task_has_the_inverse_of_its_loss_as_weight() -> None:
    losses = torch.tensor([0.1, 1.0, 5.0])
    weighting = Uncertainty(3)
    minimum(weighting, losses)
    torch.testing.assert_close(torch.exp(-weighting.log_scale), 1 / losses, rtol=1e-3, atol=0)


def test_scaled_losses_have_the_same_weighted_sum_at_the_best_noise_levels() -> None:
    one, two = Uncertainty(3), Uncertainty(3)
    losses, scales = torch.tensor([0.1, 1.0, 5.0]), torch.tensor([3.0, 0.5, 2.0])
    minimum(one, losses)
    minimum(two, scales * losses)
    torch.testing.assert_close(torch.exp(-two.log_scale) * scales, torch.exp(-one.log_scale), rtol=1e-3, atol=0)
