"""One task's curvature at one model: on which graphs, and as if graphs without a label were not there."""

from functools import cache
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from curvature.small_network import TASK, Problem, dense_hessian, losses, network_problem
from curvature_mtl.curvature.measure import (
    MOST_ASYMMETRY,
    TaskMeasurement,
    measure_tasks,
    objections,
    settled,
    subset_of,
)
from curvature_mtl.curvature.measure import Problem as TasksProblem
from curvature_mtl.curvature.operator import TaskHessian, derivative
from curvature_mtl.curvature.quantities import parameter_blocks
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.curvature.shared_trunk import MultiTaskHessian
from curvature_mtl.curvature.trace import rademacher
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.losses import squared_error

GRAPHS = 40
TRAINING = st.lists(st.integers(0, GRAPHS - 1), unique=True, min_size=1).map(np.array)
LABELLED = st.lists(st.booleans(), min_size=GRAPHS, max_size=GRAPHS).map(np.array)
SIZES, SEEDS = st.integers(1, GRAPHS), st.integers(0, 99)


class TestSubset:
    @given(training=TRAINING, labelled=LABELLED, size=SIZES, seed=SEEDS)
    def test_labelled_training_graphs_only_and_as_many_as_asked_for_or_all(
        self, training: np.ndarray, labelled: np.ndarray, size: int, seed: int
    ) -> None:
        chosen = subset_of(training, labelled, size, seed)
        possible = set(training[labelled[training]].tolist())
        assert set(chosen.tolist()) <= possible
        assert len(chosen) == min(size, len(possible))
        assert (np.diff(chosen) > 0).all()  # ascending, and none twice

    @given(training=TRAINING, labelled=LABELLED, sizes=st.tuples(SIZES, SIZES).map(sorted), seed=SEEDS)
    def test_a_small_subset_is_part_of_a_larger_one(
        self, training: np.ndarray, labelled: np.ndarray, sizes: list[int], seed: int
    ) -> None:
        small, large = (set(subset_of(training, labelled, size, seed).tolist()) for size in sizes)
        assert small <= large

    @given(training=TRAINING, labelled=LABELLED, other=LABELLED, size=SIZES, seed=SEEDS)
    def test_tasks_share_what_both_have_labels_of(
        self, training: np.ndarray, labelled: np.ndarray, other: np.ndarray, size: int, seed: int
    ) -> None:
        """A task with fewer labels has all graphs of the other's subset that it has labels of."""
        fewer = labelled & other
        all_of_it = set(subset_of(training, labelled, size, seed).tolist())
        its_own = set(subset_of(training, fewer, size, seed).tolist())
        assert {graph for graph in all_of_it if fewer[graph]} <= its_own

    def test_the_seed_draws_it(self) -> None:
        everything = np.ones(GRAPHS, dtype=bool)
        one, again, other = (subset_of(np.arange(GRAPHS), everything, 10, seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, again)
        assert set(one) != set(other)

    def test_labels_outside_the_training_graphs_do_not_matter(self) -> None:
        training, labelled = np.arange(20), np.arange(GRAPHS) % 3 == 0
        changed = labelled | (np.arange(GRAPHS) >= 20)
        np.testing.assert_array_equal(subset_of(training, labelled, 5, 0), subset_of(training, changed, 5, 0))

    def test_a_task_without_labels_has_none(self) -> None:
        assert not len(subset_of(np.arange(GRAPHS), np.zeros(GRAPHS, dtype=bool), 5, 0))


@cache
def labelled_graphs_alone(task: int) -> tuple[Problem, GraphStore, np.ndarray]:
    """Return the problem, a store of the graphs that have a label of the task, and their numbers."""
    problem = network_problem()
    kept = np.flatnonzero(~np.isnan(problem.store.targets[:, task]))
    graphs = [problem.store[int(i)] for i in kept]
    return problem, GraphStore.from_graphs(graphs, problem.store.targets[kept], problem.store.tasks), kept


def hessian(problem: Problem, store: GraphStore, chosen: np.ndarray, task: int, batch_size: int) -> TaskHessian:
    graphs = GraphTensors(store, dtype=torch.float64)
    batches = list(graphs.batches(torch.from_numpy(chosen), batch_size))
    return TaskHessian(problem.network, list(problem.network.trunk.parameters()), losses, batches, task)


def vector(p: int) -> Tensor:
    return torch.randn(p, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("task", [TASK, 2])
class TestMissingLabels:
    def test_on_the_drawn_subset_loss_and_products_have_the_same_bits_as_on_the_labelled_graphs_alone(
        self, task: int
    ) -> None:
        problem, alone, _ = labelled_graphs_alone(task)
        labelled = ~np.isnan(problem.store.targets[:, task])
        drawn = subset_of(np.arange(len(labelled)), labelled, len(labelled), seed=0)
        masked = hessian(problem, problem.store, drawn, task, batch_size=4)
        whole = hessian(problem, alone, np.arange(len(alone)), task, batch_size=4)
        assert masked.n_graphs == whole.n_graphs == len(alone) < len(problem.store)
        assert masked.loss() == whole.loss()
        v = vector(masked.shape[0])
        assert torch.equal(masked @ v, whole @ v)

    def test_among_unlabelled_graphs_they_are_equal_up_to_rounding(self, task: int) -> None:
        problem, alone, _ = labelled_graphs_alone(task)
        masked = hessian(problem, problem.store, np.arange(len(problem.store)), task, batch_size=4)
        whole = hessian(problem, alone, np.arange(len(alone)), task, batch_size=4)
        assert masked.n_graphs == whole.n_graphs
        assert masked.loss() == pytest.approx(whole.loss(), rel=1e-14)
        v = vector(masked.shape[0])
        torch.testing.assert_close(masked @ v, whole @ v, rtol=1e-11, atol=1e-13)

    def test_the_measured_row_is_that_of_the_labelled_graphs(self, task: int) -> None:
        problem, alone, kept = labelled_graphs_alone(task)
        settings = CurvatureSettings(graphs=9, lanczos_steps=5, density_probes=2, trace_probes=3, quadratic_forms=4)
        gradients = torch.zeros(1, len(problem.dense), dtype=torch.float64)
        masked = measure_one(task_problem(problem, problem.store, kept, task), gradients, settings, seed=1)
        whole = measure_one(task_problem(problem, alone, np.arange(len(kept)), task), gradients, settings, seed=1)
        assert masked.row == whole.row
        assert masked.row["n_graphs"] == len(kept)
        pd.testing.assert_frame_equal(masked.ritz, whole.ritz, check_exact=True)
        pd.testing.assert_frame_equal(masked.quantities, whole.quantities, check_exact=True)
        for name, value in vars(masked.vectors).items():
            assert torch.equal(getattr(whole.vectors, name), value), name


def measure_one(problem: TasksProblem, gradients: Tensor, settings: CurvatureSettings, seed: int) -> TaskMeasurement:
    """Measure the second of the problem's tasks."""
    return next(measure_tasks(problem, gradients, settings, seed, [1]))


def task_problem(problem: Problem, store: GraphStore, chosen: np.ndarray, task: int) -> TasksProblem:
    graphs = GraphTensors(store, dtype=torch.float64)
    batches = list(graphs.batches(torch.from_numpy(chosen), 4))
    singles = list(graphs.batches(torch.from_numpy(chosen), 1))
    return TasksProblem(problem.network, batches, singles, [0, task])


@pytest.fixture(scope="module")
def own() -> TasksProblem:
    problem = network_problem()
    return task_problem(problem, problem.store, np.arange(9), TASK)


@pytest.fixture(scope="module")
def dense(own: TasksProblem) -> Tensor:
    everything = network_problem().graphs.batch(torch.arange(9))
    return dense_hessian(own.network, everything, TASK, squared_error)


@pytest.fixture(scope="module")
def measured(own: TasksProblem) -> TaskMeasurement:
    settings = CurvatureSettings(graphs=9, lanczos_steps=60, density_probes=2, trace_probes=64, quadratic_forms=16)
    gradients = own.hessian().gradients()
    gradients[0] = 1
    return measure_one(own, gradients, settings, seed=0)


class TestMeasurement:
    """With as many Lanczos steps as it takes, extremal eigenvalues are exact; traces are within their errors."""

    def test_the_row(self, dense: Tensor, measured: TaskMeasurement) -> None:
        row, eigenvalues = measured.row, torch.linalg.eigvalsh(dense)
        assert row["lambda_max"] == pytest.approx(float(eigenvalues[-1]), rel=1e-6)
        assert row["lambda_min"] == pytest.approx(float(eigenvalues[0]), rel=1e-6)
        assert abs(row["trace"] - float(dense.trace())) < 4 * row["trace_se"]
        assert row["n_products"] == 64 + 16 + 2 * 60 + 2

    def test_what_has_settled_and_how_good_products_and_bases_are(self, measured: TaskMeasurement) -> None:
        row = measured.row
        assert row["lambda_max_settled"]
        assert row["lambda_min_settled"]
        assert row["trace_settled"] == (row["trace_se"] <= 0.1 * abs(row["trace"]))
        assert row["asymmetry"] < 1e-13
        assert row["orthogonality_loss"] < 1e-13
        assert objections(row) == []

    def test_the_ritz_values(self, measured: TaskMeasurement) -> None:
        assert measured.ritz.columns.tolist() == ["probe", "ritz_value", "weight", "residual"]
        np.testing.assert_allclose(measured.ritz.groupby("probe")["weight"].sum(), 1)

    def test_the_vectors(self, own: TasksProblem, dense: Tensor, measured: TaskMeasurement) -> None:
        vectors = measured.vectors
        eigenvalues, basis = torch.linalg.eigh(dense)
        largest = basis[:, eigenvalues.abs().argsort(descending=True)[:5]]
        torch.testing.assert_close(
            (vectors.top.T @ largest).abs(), torch.eye(5, dtype=torch.float64), atol=1e-6, rtol=0
        )
        probes = rademacher(len(dense), 2 + 64, seed=0)[2:]  # after the starts of Lanczos
        torch.testing.assert_close(vectors.products, dense @ probes.T, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(vectors.gradient, own.hessian().gradients()[1])
        torch.testing.assert_close(vectors.gradient_products[:, 0], dense.sum(1), rtol=1e-9, atol=1e-9)

    def test_traces_of_blocks_add_up_and_are_within_their_errors(
        self, own: TasksProblem, dense: Tensor, measured: TaskMeasurement
    ) -> None:
        rows = measured.quantities.query("operator == 'hessian' and quantity == 'trace'").set_index("block")
        blocks = parameter_blocks(own.network.trunk)
        assert rows.index.tolist() == ["embedding", "layers.0", "layers.1", "norm", "pool", "dense.0", "dense.1"]
        assert sorted(chain.from_iterable(blocks.values())) == list(range(len(dense)))
        on_its_own = rademacher(len(dense), 2 + 64, seed=0)[2:]
        together = float(((dense @ on_its_own.T) * on_its_own.T).sum(0).mean())
        assert rows["value"].sum() == pytest.approx(together, rel=1e-9)
        for block, places in blocks.items():
            exact = float(dense.diagonal()[places].sum())
            assert abs(rows.loc[block, "value"] - exact) < 4 * rows.loc[block, "error"]

    def test_the_gauss_newton_trace_and_the_noise(self, own: TasksProblem, measured: TaskMeasurement) -> None:
        found = measured.quantities[measured.quantities["block"] == "trunk"].set_index(["operator", "quantity"])
        everything = network_problem().graphs.batch(torch.arange(9))
        predictions = own.network(everything)[~torch.isnan(everything.y[:, TASK]), TASK]
        rows = [derivative(one, list(own.network.trunk.parameters()), retain_graph=True) for one in predictions]
        exact = 2 * float(torch.stack(rows).square().sum()) / len(rows)  # 2 J'J / n
        assert abs(found.loc[("ggn", "trace"), "value"] - exact) < 4 * found.loc[("ggn", "trace"), "error"]
        noise = own.gradient_noise(TASK)
        assert tuple(found.loc[("gradient", "noise"), ["value", "error", "n_probes"]]) == tuple(noise)
        ratio = found.loc[("hessian", "curvature_over_noise"), "value"]
        assert ratio == pytest.approx(measured.row["trace"] / noise.trace)


@pytest.mark.parametrize(("value", "error", "is_settled"), [(2, 0.2, True), (-2, 0.2, True), (-2, 0.21, False)])
def test_a_number_has_settled_when_its_error_is_at_most_a_tenth(value: float, error: float, is_settled: bool) -> None:
    assert settled(value, error) is is_settled
    assert not settled(value, float("nan"))


def test_a_wrong_product_and_a_lost_orthogonality_are_told(
    own: TasksProblem, measured: TaskMeasurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = MultiTaskHessian.products
    monkeypatch.setattr(MultiTaskHessian, "products", lambda self, v: right(self, v) + 0.01 * v.roll(1, 0))
    settings = CurvatureSettings(graphs=9, lanczos_steps=5, density_probes=2, trace_probes=16, quadratic_forms=2)
    row = measure_one(own, own.hessian().gradients(), settings, seed=0).row
    assert row["asymmetry"] > MOST_ASYMMETRY
    assert [text.split(":")[0] for text in objections(row)] == ["the Hessian is not symmetric"]
    copies = measured.row | {"orthogonality_loss": 1e-3}
    assert objections(copies) == ["Lanczos lost orthogonality: |Q'Q - I| = 0.001; eigenvalues may come several times"]
