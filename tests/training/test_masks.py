"""Missing labels: a task is learned as if the graphs without its label were not there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.losses import log_cosh, squared_error, task_means
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.reporting.accuracy import accuracy_table
from curvature_mtl.training.fit import predict, standardised_mae
from curvature_mtl.training.methods import complete_method, stl_settings
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.standardise import Standardiser
from curvature_mtl.training.suite import Suite
from small_graphs import random_graph

GRAPHS = 60
SUBSET = np.array(["train", "validation", "train", "test", "train"] * 12)
# Every graph has task a; b is missing for two graphs of three, in all parts of the split; c for every other one.
LABELLED = {"a": np.ones(GRAPHS, bool), "b": np.arange(GRAPHS) % 3 == 1, "c": np.arange(GRAPHS) % 2 == 0}
TASKS = list(LABELLED)
Loss = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(scope="module")
def store() -> GraphStore:
    rng = np.random.default_rng(0)
    graphs = [random_graph(rng, int(nodes), 2 * int(nodes)) for nodes in rng.integers(2, 7, GRAPHS)]
    targets = rng.normal(3, 2, (GRAPHS, 3)) + np.array([g.node_features.sum() for g in graphs])[:, None]
    for column, labelled in enumerate(LABELLED.values()):
        targets[~labelled, column] = np.nan
    return GraphStore.from_graphs(graphs, targets, tuple(TASKS))


def alone(store: GraphStore, task: str) -> tuple[GraphStore, np.ndarray]:
    """Return a store of the graphs labelled with the task, with this task only, and their numbers."""
    kept = np.flatnonzero(LABELLED[task])
    targets = store.targets[kept][:, [TASKS.index(task)]]
    return GraphStore.from_graphs([store[int(i)] for i in kept], targets, (task,)), kept


def trained(store: GraphStore, subset: np.ndarray, tasks: list[str], folder: Path) -> tuple[TrainedModel, pd.DataFrame]:
    """Train single-task networks for three epochs; return the last of them, and its history."""
    network, training = NetworkSettings(6, 2, 8), TrainingSettings(epochs=3, batch_size=8)
    method = stl_settings(training)
    suite = Suite(store, subset, "stl", method, tasks, network, training, 3, folder, f"{len(store)} graphs")
    result = suite.train()
    return result.models[-1], result.history[result.history["task"] == tasks[-1]].reset_index(drop=True)


@pytest.fixture(scope="module", params=["b", "c"])
def both(
    request: pytest.FixtureRequest, store: GraphStore, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[TrainedModel, pd.DataFrame]]:
    """Train a task on the store with missing labels, after task a, and on its labelled graphs alone."""
    task = request.param
    part, kept = alone(store, task)
    return {
        "masked": trained(store, SUBSET, ["a", task], tmp_path_factory.mktemp("masked")),
        "alone": trained(part, SUBSET[kept], [task], tmp_path_factory.mktemp("alone")),
    }


class TestTraining:
    def test_weights_and_standardisation_have_the_same_bits(self, both: dict) -> None:
        (masked, _), (single, _) = both["masked"], both["alone"]
        assert masked.name == single.name
        assert masked.epoch == single.epoch
        np.testing.assert_array_equal(masked.standardiser.mean, single.standardiser.mean)
        np.testing.assert_array_equal(masked.standardiser.std, single.standardiser.std)
        weights, others = masked.network.state_dict(), single.network.state_dict()
        assert all(torch.equal(weights[name], others[name]) for name in weights)

    def test_losses_and_validation_errors_have_the_same_bits(self, both: dict) -> None:
        pd.testing.assert_frame_equal(both["masked"][1], both["alone"][1], check_exact=True)

    def test_training_moved_the_weights(self, both: dict) -> None:
        loss = both["masked"][1]["train_loss"]
        assert loss.nunique() == len(loss) == 3

    def test_accuracy_is_that_of_the_labelled_test_graphs(self, both: dict, store: GraphStore) -> None:
        """Predictions are made in batches of other sizes, so that they are equal up to rounding in float32."""
        (masked, _), (single, _) = both["masked"], both["alone"]
        task = single.name
        part, kept = alone(store, task)
        table = accuracy(masked, store, SUBSET, task)
        assert table["n_test"].tolist() == [int((LABELLED[task] & (SUBSET == "test")).sum())]
        pd.testing.assert_frame_equal(table, accuracy(single, part, SUBSET[kept], task), rtol=1e-5)


def accuracy(model: TrainedModel, store: GraphStore, subset: np.ndarray, task: str) -> pd.DataFrame:
    """Predict all graphs of a store and return the table of accuracy on the test graphs."""
    predicted = predict(model.network, GraphTensors(store), torch.arange(len(store))).double().numpy()
    described = {"dataset": "d", "split": "random", "method": "stl", "seed": 3, "task": task}
    targets = store.targets[:, store.tasks.index(task)]
    predictions = pd.DataFrame({"row": np.arange(len(store)), "subset": subset, "target": targets})
    predictions["prediction"] = model.standardiser.inverse(predicted)[:, 0]
    return accuracy_table(predictions.assign(**described), {("d", task): "eV"})


class TestParts:
    @pytest.mark.parametrize("loss", [squared_error, log_cosh])
    def test_the_mean_loss_of_a_task_is_that_of_its_labelled_graphs(self, store: GraphStore, loss: Loss) -> None:
        prediction = torch.randn(GRAPHS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        targets = torch.from_numpy(store.targets)
        means = task_means(prediction, targets, loss)
        for column, labelled in enumerate(LABELLED.values()):
            chosen = torch.from_numpy(labelled)
            expected = loss(prediction[chosen, column] - targets[chosen, column]).mean()
            torch.testing.assert_close(means[column], expected, rtol=1e-14, atol=0)

    @pytest.mark.parametrize("loss", [squared_error, log_cosh])
    def test_graphs_without_a_label_have_no_gradient(self, store: GraphStore, loss: Loss) -> None:
        prediction = torch.zeros(GRAPHS, 3, dtype=torch.float64, requires_grad=True)
        task_means(prediction, torch.from_numpy(store.targets), loss).sum().backward()
        missing = torch.isnan(torch.from_numpy(store.targets))
        assert not prediction.grad[missing].any()
        assert prediction.grad[~missing].all()

    def test_standardisation_is_over_each_tasks_own_labelled_graphs(self, store: GraphStore) -> None:
        together = Standardiser.fit(store.targets, TASKS)
        for column, task in enumerate(TASKS):
            single = Standardiser.fit(store.targets[LABELLED[task]][:, [column]], [task])
            np.testing.assert_allclose(together.mean[column], single.mean[0], rtol=1e-14)
            np.testing.assert_allclose(together.std[column], single.std[0], rtol=1e-14)

    def test_the_validation_error_is_over_labelled_graphs(self, both: dict, store: GraphStore) -> None:
        model, history = both["masked"]
        task = model.name
        targets = model.standardiser.forward(store.targets[:, [TASKS.index(task)]])
        validation = np.flatnonzero(SUBSET == "validation")
        with_unlabelled = standardised_mae(model.network, GraphTensors(store, targets), torch.from_numpy(validation))
        best = history.loc[history["epoch"] == model.epoch, "validation_mae"].item()
        assert with_unlabelled.item() == pytest.approx(best, rel=1e-5)


def test_multi_task_training_is_the_same_to_the_bit_without_graphs_that_have_no_label(
    store: GraphStore, tmp_path: Path
) -> None:
    network, training = NetworkSettings(6, 2, 8), TrainingSettings(epochs=2, batch_size=8)
    method = complete_method("equal", {}, training)
    targets = store.targets.copy()
    targets[::5] = np.nan  # a fifth of the graphs, training graphs, lose all their labels
    masked = replace(store, targets=targets)
    kept = np.flatnonzero(np.arange(GRAPHS) % 5)
    part = GraphStore.from_graphs([store[int(i)] for i in kept], targets[kept], store.tasks)
    suites = [
        Suite(masked, SUBSET, "equal", method, TASKS, network, training, 0, tmp_path / "masked", "this"),
        Suite(part, SUBSET[kept], "equal", method, TASKS, network, training, 0, tmp_path / "part", "this"),
    ]
    (one,), (two,) = (suite.train().models for suite in suites)
    weights, others = one.network.state_dict(), two.network.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
