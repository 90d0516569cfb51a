"""Curvature-informed weights: the estimates against dense matrices, what weights promise, and what they cost."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.losses import squared_error, task_sums
from curvature_mtl.models.network import Network, NetworkSettings, build_network
from curvature_mtl.training.weighting.base import Step
from curvature_mtl.training.weighting.curvature import (
    CurvatureOverNoise,
    CurvatureWeighting,
    InverseLambdaMax,
    InverseTrace,
    trace_and_noise,
)
from curvature_mtl.training.weighting.measured import balanced_subset
from curvature_mtl.training.weighting.preconditioned import Preconditioned, ggn_diagonals
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

KINDS = [InverseTrace, InverseLambdaMax, CurvatureOverNoise]
N, T = 14, 3


@pytest.fixture(scope="module")
def network() -> Network:
    return build_network(NODE_DIM, EDGE_DIM, T, NetworkSettings(4, 1, 5), seed=0).double()


def make_graphs(n: int, missing: float = 0.3) -> GraphTensors:
    rng = np.random.default_rng(3)
    targets = np.where(rng.random((n, T)) < missing, np.nan, rng.normal(size=(n, T)) * [1, 2, 4])
    store = GraphStore.from_graphs([random_graph(rng, 4, 6) for _ in range(n)], targets, tuple("abc"))
    return GraphTensors(store, dtype=torch.float64)


@pytest.fixture(scope="module")
def graphs() -> GraphTensors:
    return make_graphs(N)


@pytest.fixture(scope="module")
def slopes(network: Network, graphs: GraphTensors) -> Tensor:
    """The gradient of every prediction in the trunk's parameters [graphs, T, p], by autograd."""
    prediction = network(graphs.batch(torch.arange(N)))
    parameters = list(network.trunk.parameters())
    rows = [torch.autograd.grad(value, parameters, retain_graph=True) for value in prediction.flatten()]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows]).view(N, T, -1)


def dense_trace_and_noise(network: Network, graphs: GraphTensors, slopes: Tensor) -> tuple[Tensor, Tensor]:
    batch = graphs.batch(torch.arange(N))
    residual = (network(batch) - batch.y).detach()
    traces, noises = [], []
    for task in range(T):
        labelled = ~residual[:, task].isnan()
        rows = slopes[labelled, task]
        traces.append((2 * rows.T @ rows / len(rows)).trace())
        gradients = 2 * residual[labelled, task, None] * rows
        noises.append(torch.cov(gradients.T).trace())
    return torch.stack(traces), torch.stack(noises)


def test_trace_and_noise_are_those_of_the_dense_matrices(
    network: Network, graphs: GraphTensors, slopes: Tensor
) -> None:
    torch.manual_seed(0)
    batches = list(graphs.batches(torch.arange(N), 5))
    estimates = [trace_and_noise(network, batches, 50) for _ in range(10)]
    for estimate, exact in zip(
        zip(*estimates, strict=True), dense_trace_and_noise(network, graphs, slopes), strict=True
    ):
        each = torch.stack(estimate)
        error = each.std(0) / 10**0.5
        assert ((each.mean(0) - exact).abs() < 4 * error).all()
        assert (error < 0.1 * exact).all(), "otherwise this test says little"


def test_the_largest_eigenvalue_is_that_of_the_dense_matrix(
    network: Network, graphs: GraphTensors, slopes: Tensor
) -> None:
    torch.manual_seed(0)
    weighting = InverseLambdaMax(network, 0.5).double()
    batches = list(graphs.batches(torch.arange(N), 5))
    for _ in range(30):
        measured, _, _ = weighting.measure(network, batches)
    labelled = ~graphs.y.isnan()
    for task in range(T):
        rows = slopes[labelled[:, task], task]
        exact = torch.linalg.matrix_norm(2 * rows @ rows.T / len(rows), 2)
        assert measured[task].item() == pytest.approx(exact.item(), rel=1e-6)


def test_diagonals_are_those_of_the_dense_matrices(network: Network, graphs: GraphTensors, slopes: Tensor) -> None:
    torch.manual_seed(0)
    batches = list(graphs.batches(torch.arange(N), 5))
    estimates = torch.stack([ggn_diagonals(network, batches, 20) for _ in range(20)])
    error = estimates.std(0) / 20**0.5
    labelled = ~graphs.y.isnan()
    for task in range(T):
        exact = 2 * slopes[labelled[:, task], task].square().mean(0)
        close = (estimates.mean(0)[task] - exact).abs() <= 5 * error[task] + 1e-12
        assert close.float().mean() > 0.99
        assert (error[task] / exact.clamp(min=1e-9)).median() < 0.12, "otherwise this test says little"


def test_each_tasks_gradient_is_divided_by_its_own_curvature(network: Network, graphs: GraphTensors) -> None:
    weighting, _ = refreshed(Preconditioned, network, graphs)
    batch = graphs.batch(torch.arange(N))
    u = network.trunk(batch)
    prediction = network.heads(u)
    sums, labelled = task_sums(prediction, batch.y, squared_error)
    step = Step(u, prediction, sums / labelled, labelled)
    parameters = list(network.trunk.parameters())
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in step.losses]
    gradients = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
    (expected_heads,) = torch.autograd.grad(step.losses.sum(), network.heads.weight, retain_graph=True)
    assert weighting.backward(network, step).tolist() == [1] * T
    diagonal = weighting.measured.exp()
    scaled = gradients / (diagonal / diagonal.mean(1, keepdim=True) + 0.1) ** 0.5
    torch.testing.assert_close(torch.cat([p.grad.flatten() for p in parameters]), scaled.mean(0))
    torch.testing.assert_close(network.heads.weight.grad, expected_heads)
    assert weighting.passes_per_step(T) == pytest.approx(1 / 3 + T * 2 / 3)


def refreshed(kind: Callable[[Network, float], CurvatureWeighting], network: Network, graphs: GraphTensors):
    torch.manual_seed(0)
    weighting = kind(network, 0.5).double()
    cost = weighting.refresh(network, graphs, torch.arange(len(graphs)))
    return weighting, cost


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_positive_have_a_mean_of_one_and_differ(kind: type, network: Network, graphs: GraphTensors) -> None:
    weighting, _ = refreshed(kind, network, graphs)
    weights = weighting.weights()
    assert (weights > 0).all()
    assert weights.mean().item() == pytest.approx(1)
    assert weights.max() > 1.1 * weights.min()
    losses = torch.tensor([1.0, 2, 3], requires_grad=True)
    weighting.objective(losses).backward()
    torch.testing.assert_close(losses.grad, weights.float() / 3)


@pytest.mark.parametrize("kind", KINDS)
@given(
    measured=st.lists(st.floats(-5, 5), min_size=T, max_size=T),
    factor=st.floats(-5, 5),
    power=st.sampled_from([0.5, 1, 2]),
    order=st.permutations(range(T)),
)
def test_weights_are_a_power_of_the_measure_whatever_its_scale_and_the_tasks_order(
    kind: type, network: Network, measured: list[float], factor: float, power: float, order: list[int]
) -> None:
    weighting = kind(network, power)
    weighting.measured = torch.tensor(measured, dtype=torch.float64)
    weights = weighting.weights()
    expected = torch.exp(weighting.measured) ** -power
    torch.testing.assert_close(weights, expected / expected.mean())
    weighting.measured = weighting.measured[order] + factor
    torch.testing.assert_close(weighting.weights(), weights[order])


def test_the_moving_average_is_geometric_and_begins_with_the_first_measure(
    network: Network, graphs: GraphTensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures = iter([torch.tensor([1.0, 4, 16]), torch.tensor([16.0, 4, 0])])
    monkeypatch.setattr(InverseTrace, "measure", lambda *_: (next(measures), 4.0, 12))
    weighting = InverseTrace(network, 1.0)
    weighting.refresh(network, graphs, torch.arange(N))
    torch.testing.assert_close(weighting.measured.exp(), torch.tensor([1.0, 4, 16]).double())
    weighting.allowed += 1000  # due again
    weighting.refresh(network, graphs, torch.arange(N))
    smallest = 16e-6  # a measure of 0 counts as a millionth of the largest
    torch.testing.assert_close(weighting.measured.exp(), torch.tensor([4, 4, (16 * smallest) ** 0.5]).double())


@pytest.mark.parametrize("kind", [*KINDS, Preconditioned])
@pytest.mark.parametrize("n", [200, 1000])
def test_a_refresh_adds_at_most_a_tenth_to_the_passes(kind: type, network: Network, n: int) -> None:
    many, epochs = make_graphs(n), 10
    weighting = kind(network, 0.5).double()
    costs = [weighting.refresh(network, many, torch.arange(n)) for _ in range(epochs)]
    assert 0 < sum(cost.graphs for cost in costs) <= 0.1 * n * epochs * weighting.passes_per_step(T)
    assert costs[0].products > 0
    assert sum(cost.products > 0 for cost in costs) >= (1 if n == 200 else 5)


def test_a_branch_begins_with_the_measures_of_its_tasks(network: Network, graphs: GraphTensors) -> None:
    weighting, _ = refreshed(InverseLambdaMax, network, graphs)
    branch = weighting.for_tasks([2, 0])
    assert branch.measured.tolist() == weighting.measured[[2, 0]].tolist()
    torch.testing.assert_close(branch.vectors, weighting.vectors[:, [2, 0]])
    assert len(weighting.measured) == T


def test_the_subset_has_as_many_labels_of_each_task_as_can_be() -> None:
    labelled = torch.zeros(100, 3, dtype=torch.bool)
    labelled[:, 0] = True
    labelled[::10, 1] = True  # 10 graphs
    labelled[50:52, 2] = True  # 2 graphs
    train = torch.arange(1000, 1100)
    chosen = balanced_subset(train, labelled, 12)
    counts = labelled[chosen - 1000].sum(0)
    assert len(chosen.unique()) == 12
    assert counts[2] == 2
    assert counts[1] >= 5
    assert torch.equal(chosen, balanced_subset(train, labelled, 12))
    assert torch.equal(chosen.sort().values, balanced_subset(train, labelled[:, [2, 0, 1]], 12).sort().values)
