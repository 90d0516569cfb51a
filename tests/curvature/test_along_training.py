"""The short measurement against dense matrices; the points of a training in their order."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

from curvature.small_network import network_problem
from curvature_mtl.commands.curvature_along_training import points_of
from curvature_mtl.curvature import along_training
from curvature_mtl.curvature.along_training import COLUMNS, gradient_noises, measure_shortly
from curvature_mtl.curvature.gradient_noise import gradient_noise
from curvature_mtl.curvature.measure import squared_errors
from curvature_mtl.curvature.settings import AlongTrainingSettings
from curvature_mtl.curvature.shared_trunk import MultiTaskCurvature, MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.task_groups import same_labels
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.standardise import Standardiser

SUBSET = np.array([1, 2, 3, 8])  # with labels of all three tasks
COLUMNS_OF_TASKS = [0, 2]
NETWORK = build_network(4, 3, 3, NetworkSettings(width=4, layers=1, representation=4), seed=0).double()
P = sum(parameter.numel() for parameter in NETWORK.trunk.parameters())


@cache
def matrices(kind: type[MultiTaskCurvature]) -> MultiTaskCurvature:
    return kind(NETWORK, [network_problem().graphs.batch(torch.from_numpy(SUBSET))], tasks=COLUMNS_OF_TASKS)


@cache
def dense(kind: type[MultiTaskCurvature]) -> torch.Tensor:
    return matrices(kind).products(torch.eye(P, dtype=torch.float64))


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    settings = AlongTrainingSettings(graphs=4, probes=60, lanczos_steps=40)
    return measure_shortly(NETWORK, network_problem().graphs, SUBSET, COLUMNS_OF_TASKS, settings, seed=0)


def rows(found: pd.DataFrame, task: int) -> pd.DataFrame:
    return found[found["column"] == COLUMNS_OF_TASKS[task]].set_index("quantity")


@pytest.mark.parametrize("task", [0, 1])
class TestMeasurement:
    def test_says_what_it_took(self, found: pd.DataFrame, task: int) -> None:
        assert found.columns.tolist() == COLUMNS
        own = rows(found, task)
        assert own["n_products"].to_dict() == {
            "loss": 0,
            "trace": 100,
            "ggn_trace": 64,
            "lambda_max": 40,
            "lambda_min": 40,
            "gradient_noise": 0,
        }
        assert (own["n_graphs"] == 4).all()
        assert own["n_probes"].tolist() == [0, 60, 60, 1, 1, 4]

    def test_the_loss_is_exact(self, found: pd.DataFrame, task: int) -> None:
        expected = float(matrices(MultiTaskHessian).losses()[task])
        assert tuple(rows(found, task).loc["loss", ["value", "error"]]) == pytest.approx((expected, 0))

    @pytest.mark.parametrize(("quantity", "kind"), [("trace", MultiTaskHessian), ("ggn_trace", MultiTaskGGN)])
    def test_traces(self, found: pd.DataFrame, task: int, quantity: str, kind: type[MultiTaskCurvature]) -> None:
        row, trace = rows(found, task).loc[quantity], float(dense(kind)[task].trace())
        assert abs(row["value"] - trace) < 4 * row["error"] < abs(trace)

    def test_extremal_eigenvalues(self, found: pd.DataFrame, task: int) -> None:
        eigenvalues = torch.linalg.eigvalsh(dense(MultiTaskHessian)[task])
        own = rows(found, task)["value"]
        assert own["lambda_max"] == pytest.approx(float(eigenvalues[-1]), rel=1e-6)
        assert own["lambda_min"] == pytest.approx(float(eigenvalues[0]), rel=1e-6)

    def test_the_noise_of_single_graphs_is_the_trace_of_their_covariance(self, found: pd.DataFrame, task: int) -> None:
        singles = []
        for graph in SUBSET:
            batch = network_problem().graphs.batch(torch.tensor([graph]))
            singles.append(MultiTaskHessian(NETWORK, [batch], tasks=COLUMNS_OF_TASKS).gradients()[task])
        expected = float(torch.cov(torch.stack(singles).T).trace())
        assert rows(found, task).loc["gradient_noise", "value"] == pytest.approx(expected, rel=1e-5)


def test_the_noise_of_groups_is_that_of_gradients_by_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(along_training, "NOISE_GROUPS", 4)
    problem = network_problem()
    in_order = np.random.default_rng(3).permutation(np.arange(9))
    batches = [problem.graphs.batch(torch.from_numpy(group)) for group in np.array_split(in_order, 4)]
    expected = gradient_noise(NETWORK, list(NETWORK.trunk.parameters()), squared_errors, batches, 0)
    [found] = gradient_noises(NETWORK, problem.graphs, np.arange(9), [0], seed=3)
    assert tuple(found) == pytest.approx(tuple(expected), rel=1e-5)


def test_tasks_with_the_same_labels_are_together() -> None:
    nan = np.nan
    targets = np.array([[1.0, nan, 2, nan], [1, 3, 4, 5], [1, nan, nan, nan]])
    groups = same_labels(targets)
    assert [columns for _, columns in groups] == [[0], [1, 3], [2]]
    assert [labelled.tolist() for labelled, _ in groups] == [[True] * 3, [False, True, False], [True, True, False]]


def model(name: str, tasks: list[str], epoch: int) -> TrainedModel:
    network = build_network(2, 2, len(tasks), NetworkSettings(width=2, layers=1, representation=2), seed=0)
    return TrainedModel(name, tasks, network, Standardiser(np.zeros(len(tasks)), np.ones(len(tasks))), epoch)


def described(points: list) -> list[tuple[str, list[str], int, bool]]:
    return [(point.model.name, point.model.tasks, point.epoch, point.is_solution) for point in points]


def initial(tasks: list[str]) -> TrainedModel:
    return model("init", tasks, 0)


class TestPoints:
    def test_of_single_tasks_each_begins_on_its_own(self) -> None:
        solutions = [model("a", ["a"], 7), model("b", ["b"], 3)]
        snapshots = [model("a", ["a"], 3), model("b", ["b"], 3), model("b", ["b"], 10)]
        assert described(points_of(solutions, snapshots, None, 0, initial)) == [
            ("init", ["a"], 0, False),
            ("init", ["b"], 0, False),
            ("a", ["a"], 3, False),
            ("b", ["b"], 10, False),
            ("a", ["a"], 7, True),
            ("b", ["b"], 3, True),
        ]

    def test_of_a_shared_network(self) -> None:
        found = points_of([model("m", ["a", "b"], 9)], [model("m", ["a", "b"], 1)], ["a", "b"], 20, initial)
        assert described(found) == [
            ("init", ["a", "b"], 0, False),
            ("m", ["a", "b"], 1, False),
            ("m", ["a", "b"], 9, True),
        ]

    def test_of_branches_that_go_on_from_a_shared_network(self) -> None:
        solutions = [model("a", ["a"], 4), model("b", ["b"], 0)]
        found = points_of(solutions, [model("m", ["a", "b"], 1)], ["a", "b"], 20, initial)
        assert described(found)[2:] == [("a", ["a"], 24, True), ("b", ["b"], 20, True)]
