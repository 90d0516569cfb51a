"""Aggregators: the analytic Gramian against explicit gradients, and what each aggregator promises."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.losses import log_cosh, task_sums
from curvature_mtl.models.network import Network, NetworkSettings, build_network
from curvature_mtl.training.weighting.base import Step
from curvature_mtl.training.weighting.gramian import AGGREGATORS, GramianWeighting, gradient_gramian
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

T = 4
WITHOUT_CHANCE = [name for name in AGGREGATORS if name != "pcgrad"]


@pytest.fixture
def network() -> Network:
    return build_network(NODE_DIM, EDGE_DIM, T, NetworkSettings(8, 2, 6), seed=0).double()


def first_step(network: Network, absent: int | None = None) -> Step:
    """Return the step of a batch with missing labels; the task `absent` has none at all."""
    rng = np.random.default_rng(1)
    targets = np.where(rng.random((10, T)) < 0.3, np.nan, rng.normal(size=(10, T)))
    if absent is not None:
        targets[:, absent] = np.nan
    store = GraphStore.from_graphs([random_graph(rng, 4, 8) for _ in range(10)], targets, tuple("abcd"))
    batch = GraphTensors(store, dtype=torch.float64).batch(torch.arange(10))
    u = network.trunk(batch)
    prediction = network.heads(u)
    sums, labelled = task_sums(prediction, batch.y, log_cosh)
    return Step(u, prediction, sums / labelled.clamp(min=1), labelled)


def explicit(step: Step, parameters: list[Tensor]) -> Tensor:
    """Return each task's gradient [T, n] by a backward pass of its own."""
    rows = []
    for loss in step.losses:
        parts = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([part.reshape(-1) for part in parts]))
    return torch.stack(rows)


def gradient(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.grad.reshape(-1) for parameter in module.parameters()])


def test_the_gramian_is_that_of_explicit_gradients_at_the_shared_representation(network: Network) -> None:
    step = first_step(network)
    (slopes,) = torch.autograd.grad(step.losses.sum(), step.prediction, retain_graph=True)
    at_u = explicit(step, [step.representation])
    torch.testing.assert_close(gradient_gramian(slopes, network.heads.weight), at_u @ at_u.T, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_the_trunk_gets_the_weighted_sum_and_each_head_its_own_gradient(network: Network, name: str) -> None:
    step = first_step(network)
    at_trunk = explicit(step, list(network.trunk.parameters()))
    at_heads = explicit(step, list(network.heads.parameters()))
    weights = GramianWeighting(name).backward(network, step)
    assert weights.unique().numel() > 1, "otherwise this test says little"
    torch.testing.assert_close(gradient(network.trunk), weights @ at_trunk, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(gradient(network.heads), at_heads.sum(0), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_a_task_without_a_label_in_the_batch_has_no_say(network: Network, name: str) -> None:
    torch.manual_seed(0)
    step = first_step(network, absent=2)
    others = [0, 1, 3]
    (slopes,) = torch.autograd.grad(step.losses.sum(), step.prediction, retain_graph=True)
    gramian = gradient_gramian(slopes, network.heads.weight.detach())[others][:, others]
    torch.manual_seed(0)
    expected = GramianWeighting(name).weights(gramian, torch.ones(3, dtype=torch.bool))
    torch.manual_seed(0)
    weights = GramianWeighting(name).backward(network, step)
    assert weights[2] == 0
    torch.testing.assert_close(weights[others], expected)
    assert gradient(network).isfinite().all()


def jacobians(least_cosine: float = -1.0) -> st.SearchStrategy[Tensor]:
    """Gradients [T, 6] of unlike lengths, well apart from each other, with cosines above a bound."""

    def build(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        common = torch.randn(6, dtype=torch.float64, generator=generator)
        own = torch.randn(T, 6, dtype=torch.float64, generator=generator)
        rows = own + (2 * common if least_cosine > -1 else 0)
        return rows * torch.rand(T, 1, dtype=torch.float64, generator=generator).add(0.5)

    def is_apart(rows: Tensor) -> bool:
        unit = rows / rows.norm(dim=1, keepdim=True)
        cosines = unit @ unit.T
        return bool(torch.linalg.eigvalsh(cosines).min() > 0.02) and bool(cosines.min() > least_cosine)

    return st.integers(0, 10**6).map(build).filter(is_apart)


def weights_of(name: str, rows: Tensor) -> Tensor:
    torch.manual_seed(0)
    return GramianWeighting(name).weights(rows @ rows.T, torch.ones(len(rows), dtype=torch.bool))


@pytest.mark.parametrize("name", WITHOUT_CHANCE)
@settings(max_examples=25)
@given(rows=jacobians(), order=st.permutations(range(T)))
def test_weights_do_not_depend_on_the_order_of_the_tasks(name: str, rows: Tensor, order: list[int]) -> None:
    # Frank-Wolfe (mgda) stops at a tolerance, and takes the first of equals: the others are exact.
    tolerance = 0.05 if name == "mgda" else 1e-5
    torch.testing.assert_close(weights_of(name, rows[order]), weights_of(name, rows)[order], rtol=0, atol=tolerance)


@settings(max_examples=25)
@given(rows=jacobians())
def test_pcgrad_of_two_tasks_projects_each_off_the_other(rows: Tensor) -> None:
    """The closed form of Yu et al.; with two tasks no order is drawn."""
    one, two = rows[:2]
    inner = one @ two
    expected = torch.ones(2, dtype=torch.float64)
    if inner < 0:
        expected -= torch.stack([inner / (one @ one), inner / (two @ two)])
    torch.testing.assert_close(weights_of("pcgrad", rows[:2]), expected)


@pytest.mark.parametrize("name", ["pcgrad", "upgrad", "mgda", "cagrad"])
@settings(max_examples=25)
@given(rows=jacobians())
def test_weights_are_not_negative(name: str, rows: Tensor) -> None:
    assert weights_of(name, rows).min() > -1e-9


@pytest.mark.parametrize("name", ["mgda", "imtl_g"])
@settings(max_examples=25)
@given(rows=jacobians())
def test_weights_add_up_to_one(name: str, rows: Tensor) -> None:
    assert weights_of(name, rows).sum().item() == pytest.approx(1)


@pytest.mark.parametrize(("name", "weight"), [("pcgrad", 1), ("upgrad", 1 / T)])
@settings(max_examples=25)
@given(rows=jacobians(least_cosine=0.0))
def test_gradients_without_conflict_are_added_or_averaged_as_they_are(name: str, weight: float, rows: Tensor) -> None:
    torch.testing.assert_close(weights_of(name, rows), torch.full((T,), weight).double(), rtol=0, atol=1e-3)


@settings(max_examples=25)
@given(rows=jacobians(), scales=st.lists(st.floats(0.1, 10), min_size=T, max_size=T))
def test_the_direction_of_imtl_g_does_not_depend_on_the_scales_of_the_losses(rows: Tensor, scales: list[float]) -> None:
    scaled = torch.tensor(scales, dtype=torch.float64)[:, None] * rows
    one, two = weights_of("imtl_g", rows) @ rows, weights_of("imtl_g", scaled) @ scaled
    assert abs((one @ two / (one.norm() * two.norm())).item()) == pytest.approx(1, abs=1e-9)


@settings(max_examples=25)
@given(rows=jacobians())
def test_imtl_g_has_equal_projections_on_every_gradient(rows: Tensor) -> None:
    direction = weights_of("imtl_g", rows) @ rows
    projections = rows @ direction / rows.norm(dim=1)
    torch.testing.assert_close(projections, projections[:1].expand(T), rtol=1e-6, atol=1e-9)


@settings(max_examples=25)
@given(rows=jacobians())
def test_upgrad_conflicts_with_no_task(rows: Tensor) -> None:
    direction = weights_of("upgrad", rows) @ rows
    assert (rows @ direction).min() > -1e-3 * rows.norm() * direction.norm()
