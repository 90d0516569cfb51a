"""Training: it learns, keeps its best epoch, stops at nonsense, and resumes bit for bit."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.interruption import Stopped
from curvature_mtl.models.network import Network, NetworkSettings, build_network
from curvature_mtl.training.checkpoint import Checkpoint, Progress
from curvature_mtl.training.fit import Plan, TaskData, fit, predict, standardised_mae
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.weighting.build import build_weighting
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

TRAIN, VALIDATION = torch.arange(30), torch.arange(30, 40)
SETTINGS = TrainingSettings(loss_width=1.0, epochs=6, batch_size=8)
# With these the best epoch is neither the first nor the last, so that its weights must be kept.
RESTLESS = {"settings": replace(SETTINGS, epochs=12), "rate": 0.05}


class Killed(Exception):
    """Stands for a job that ends in the middle."""


def make_graphs(task: Callable[[np.ndarray], float]) -> GraphTensors:
    """Make 40 graphs with the label task(node_features), and a second task of noise with missing labels."""
    rng = np.random.default_rng(0)
    graphs = [random_graph(rng, int(n), 2 * int(n)) for n in rng.integers(2, 6, size=40)]
    noise = np.where(rng.random(40) < 0.3, np.nan, rng.normal(size=40))
    targets = np.stack([[task(graph.node_features) for graph in graphs], noise], axis=1)
    return GraphTensors(GraphStore.from_graphs(graphs, targets, ("mean", "noise")))


@pytest.fixture(scope="module")
def graphs() -> GraphTensors:
    return make_graphs(lambda nodes: 3 * nodes[:, 0].mean())


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.safetensors"


def train(
    graphs: GraphTensors,
    checkpoint: Path,
    network: Network | None = None,
    rate: float = 0.02,
    settings: TrainingSettings = SETTINGS,
    seed: int = 0,
    weighting: str = "equal",
    fingerprint: str = "this",
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> tuple[Network, Progress]:
    network = network or build_network(NODE_DIM, EDGE_DIM, 2, NetworkSettings(8, 2, 8), seed)
    data = TaskData(graphs, TRAIN, VALIDATION, ["mean", "noise"])
    plan = Plan(settings.epochs, rate, seed, False, settings)
    built = build_weighting(weighting, 0.5, network)
    return network, fit(network, built, data, plan, Checkpoint(checkpoint, fingerprint), on_epoch)


def bits(network: Network) -> bytes:
    return b"".join(value.numpy().tobytes() for value in network.state_dict().values())


def killer(epoch: int) -> Callable[[Progress], None]:
    def on_epoch(progress: Progress) -> None:
        if progress.epoch == epoch:
            raise Killed

    return on_epoch


def recorder(seen: list[int]) -> Callable[[Progress], None]:
    return lambda progress: seen.append(progress.epoch)


def assert_same_end(one: tuple[Network, Progress], two: tuple[Network, Progress]) -> None:
    assert bits(one[0]) == bits(two[0])
    assert one[1].history == two[1].history
    assert (one[1].best_epoch, one[1].best_score) == (two[1].best_epoch, two[1].best_score)
    assert one[1].snapshots.keys() == two[1].snapshots.keys()
    for epoch, weights in one[1].snapshots.items():
        assert all(torch.equal(weights[name], two[1].snapshots[epoch][name]) for name in weights)


@pytest.fixture(scope="module")
def uninterrupted(graphs: GraphTensors, tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Progress]:
    return train(graphs, tmp_path_factory.mktemp("uninterrupted") / "checkpoint.safetensors", **RESTLESS)


@pytest.mark.parametrize("epoch", [1, 4, 11])
def test_killed_after_an_epoch_it_resumes_to_the_same_bits(
    graphs: GraphTensors, uninterrupted: tuple[Network, Progress], checkpoint: Path, epoch: int
) -> None:
    with pytest.raises(Killed):
        train(graphs, checkpoint, on_epoch=killer(epoch), **RESTLESS)
    seen: list[int] = []
    resumed = train(graphs, checkpoint, on_epoch=recorder(seen), **RESTLESS)
    assert seen == list(range(epoch, 13))
    assert list(resumed[1].snapshots) == [1, 3, 10]
    assert_same_end(resumed, uninterrupted)


def test_killed_within_an_epoch_it_resumes_to_the_same_bits(
    graphs: GraphTensors, uninterrupted: tuple[Network, Progress], checkpoint: Path
) -> None:
    network = build_network(NODE_DIM, EDGE_DIM, 2, NetworkSettings(8, 2, 8), seed=0)
    passes = iter(range(12))  # an epoch has four steps and a validation: this ends in the third

    def die(*_: Any) -> None:
        if next(passes, None) is None:
            raise Killed

    network.trunk.register_forward_pre_hook(die)
    with pytest.raises(Killed):
        train(graphs, checkpoint, network, **RESTLESS)
    seen: list[int] = []
    resumed = train(graphs, checkpoint, on_epoch=recorder(seen), **RESTLESS)
    assert seen == list(range(2, 13))
    assert_same_end(resumed, uninterrupted)


def test_a_finished_training_is_not_repeated(graphs: GraphTensors, checkpoint: Path) -> None:
    finished = train(graphs, checkpoint)
    seen: list[int] = []
    again = train(graphs, checkpoint, on_epoch=recorder(seen))
    assert seen == [6]
    assert_same_end(again, finished)


@pytest.mark.parametrize("change", ["fingerprint", "garbage", "half a file"])
def test_another_or_a_broken_checkpoint_starts_afresh(graphs: GraphTensors, tmp_path: Path, change: str) -> None:
    checkpoint = tmp_path / "two"
    train(graphs, checkpoint, seed=1)
    if change == "garbage":
        checkpoint.write_bytes(b"garbage")
    elif change == "half a file":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    seen: list[int] = []
    fingerprint = "other" if change == "fingerprint" else "this"
    fresh = train(graphs, checkpoint, fingerprint=fingerprint, on_epoch=recorder(seen))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert_same_end(fresh, train(graphs, tmp_path / "one"))


def test_the_seed_decides_the_order_of_the_graphs(graphs: GraphTensors, tmp_path: Path) -> None:
    start = [build_network(NODE_DIM, EDGE_DIM, 2, NetworkSettings(8, 2, 8), seed=0) for _ in range(2)]
    ends = [train(graphs, tmp_path / str(seed), start[seed], seed=seed)[0] for seed in (0, 1)]
    assert bits(ends[0]) != bits(ends[1])


def test_it_learns_what_can_be_learnt(graphs: GraphTensors, checkpoint: Path) -> None:
    settings = replace(SETTINGS, epochs=60, loss="mse")
    history = pd.DataFrame(train(graphs, checkpoint, settings=settings)[1].history)
    loss = history[history["task"] == "mean"].set_index("epoch")["train_loss"]
    assert loss[60] < 0.1 * loss[1]


def test_the_history_has_a_row_an_epoch_and_task(graphs: GraphTensors, checkpoint: Path) -> None:
    network, progress = train(graphs, checkpoint, settings=replace(SETTINGS, epochs=1))
    assert [row["task"] for row in progress.history] == ["mean", "noise"]
    error = (predict(network, graphs, VALIDATION) - graphs.y[VALIDATION]).abs()
    for task, row in enumerate(progress.history):
        labelled = error[~error[:, task].isnan(), task]
        assert len(labelled) > 0
        assert row["validation_mae"] == pytest.approx(labelled.mean().item())
        assert row["epoch"] == 1
        assert row["learning_rate"] == pytest.approx(0.02 / 25)


def test_the_best_epoch_is_that_of_the_lowest_validation_mae(
    graphs: GraphTensors, uninterrupted: tuple[Network, Progress]
) -> None:
    network, progress = uninterrupted
    history = pd.DataFrame(progress.history)
    score = history.groupby("epoch")["validation_mae"].mean()
    assert progress.best_epoch == score.idxmin()
    assert 1 < progress.best_epoch < 11
    assert progress.best_score == pytest.approx(score.min())
    best = history[history["epoch"] == progress.best_epoch]["validation_mae"].tolist()
    assert standardised_mae(network, graphs, VALIDATION).tolist() == best


def test_a_loss_that_is_not_finite_stops_with_the_remedy(checkpoint: Path) -> None:
    huge = make_graphs(lambda nodes: 1e30)
    where = r"epoch 1, step 1 of 4 \(rows \d+, \d+, \d+ and 5 more of graphs.parquet, counted from 0\)"
    with pytest.raises(UserError, match=rf"loss is inf at {where}, learning rate 0.0008; lower training"):
        train(huge, checkpoint, settings=replace(SETTINGS, loss="mse"))
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (6, r"the gradient is not finite at epoch 2, step 3 of 4 \(rows .*\), learning rate .*; lower training"),
        (7, r"predictions of the validation graphs are not finite; lower training"),
    ],
    ids=["within an epoch", "in its last step"],
)
def test_a_gradient_that_is_not_finite_stops_and_the_epoch_before_is_kept(
    graphs: GraphTensors, checkpoint: Path, sound: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(graphs, checkpoint, spoiled_after(sound))
    seen: list[int] = []
    resumed = train(graphs, checkpoint, on_epoch=recorder(seen))
    assert seen == [1, 2, 3, 4, 5, 6], "the first epoch was kept"
    assert_same_end(resumed, train(graphs, checkpoint.with_name("another")))


def test_told_to_stop_it_keeps_the_steps_of_the_epoch_but_none_with_a_gradient_that_is_not_finite(
    graphs: GraphTensors, checkpoint: Path
) -> None:
    with pytest.raises(Stopped):
        train(graphs, checkpoint, stopped_before(6, spoiled_after(100)))
    with pytest.raises(UserError, match="the gradient is not finite at epoch 2, step 3 of 4"):
        train(graphs, checkpoint, spoiled_after(0))
    with pytest.raises(Stopped):
        train(graphs, checkpoint, stopped_before(1, spoiled_after(0)))
    seen: list[int] = []
    resumed = train(graphs, checkpoint, on_epoch=recorder(seen))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert_same_end(resumed, train(graphs, checkpoint.with_name("another")))


def spoiled_after(steps: int) -> Network:
    """Return a network whose gradients are NaN after so many steps; an epoch has four."""
    network, sound = build_network(NODE_DIM, EDGE_DIM, 2, NetworkSettings(8, 2, 8), 0), iter(range(steps))
    network.heads.bias.register_hook(lambda gradient: gradient * (torch.nan if next(sound, None) is None else 1))
    return network


def stopped_before(step: int, network: Network) -> Network:
    """Return the network, whose training is told to stop before the step with that number, counted from 0."""
    passes = iter(range(step + step // 4))  # a validation follows each fourth step

    def stop(*_: Any) -> None:
        if next(passes, None) is None:
            raise Stopped(signal.SIGTERM)

    network.trunk.register_forward_pre_hook(stop)
    return network


def test_a_prediction_that_is_not_finite_is_not_kept(graphs: GraphTensors, checkpoint: Path) -> None:
    network = build_network(NODE_DIM, EDGE_DIM, 2, NetworkSettings(8, 2, 8), 0)
    network.register_forward_hook(lambda module, args, prediction: prediction / 0)
    with pytest.raises(UserError, match="predictions of the validation graphs are not finite; lower training"):
        train(graphs, checkpoint, network)
    assert not checkpoint.exists()


def test_a_learning_rate_that_diverges_stops_before_nonsense_is_kept(graphs: GraphTensors, checkpoint: Path) -> None:
    with pytest.raises(UserError, match=r"(loss|norm) is (inf|nan) at epoch \d+|predictions .* not finite"):
        train(graphs, checkpoint, rate=1e20)
    assert not checkpoint.exists()
