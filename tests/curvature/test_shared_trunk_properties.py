"""What holds of the curvature of all tasks for every network and every batch of graphs, by random examples.

Nodes without edges, graphs of one node, batches of one graph or without an edge, loops, repeated and unsorted edges,
labels missing at random.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from curvature.implementations import CURVATURES, all_tasks, double_backward
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN, MultiTaskHessian
from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import Network, NetworkSettings, build_network
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

EXAMPLES = settings(max_examples=15)
of_both_kinds = pytest.mark.parametrize("curvature", CURVATURES)


@dataclass(frozen=True, eq=False)
class Example:
    network: Network
    batches: list[GraphBatch]
    vectors: Tensor  # [p, k]

    def __repr__(self) -> str:
        sizes = [(batch.num_graphs, len(batch.x), batch.edge_index.shape[1]) for batch in self.batches]
        return f"Example(graphs, nodes, edges of batches: {sizes}, {self.network})"

    def all_tasks(self, curvature: str, memory_budget: int = 2**30) -> MultiTaskHessian | MultiTaskGGN:
        return all_tasks(self.network, self.batches, curvature, memory_budget)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 8)), min_size=1, max_size=6))
    n_tasks = draw(st.integers(1, 4))
    targets = rng.normal(size=(len(sizes), n_tasks))
    targets[rng.random(targets.shape) < draw(st.sampled_from([0.0, 0.3, 0.7]))] = np.nan
    # Each task has a label at least.
    targets[rng.integers(len(sizes), size=n_tasks), np.arange(n_tasks)] = rng.normal(size=n_tasks)
    graphs = [random_graph(rng, *size) for size in sizes]
    tensors = GraphTensors(GraphStore.from_graphs(graphs, targets, ("task",) * n_tasks), dtype=torch.float64)
    cut = list(tensors.batches(torch.arange(len(sizes)), draw(st.integers(1, len(sizes)))))
    width, layers, representation = draw(st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(1, 4)))
    network = build_network(NODE_DIM, EDGE_DIM, n_tasks, NetworkSettings(width, layers, representation), seed=0)
    return Example(
        generic(network, rng),
        [with_edges_shuffled(batch, rng) for batch in cut] if draw(st.booleans()) else cut,
        torch.from_numpy(rng.normal(size=(n_parameters(network), draw(st.integers(1, 3))))),
    )


def generic(network: Network, rng: np.random.Generator) -> Network:
    """Move all weights, those of LayerNorm from 1 and 0, too."""
    network = network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += torch.from_numpy(0.5 * rng.normal(size=parameter.shape))
    return network


def with_edges_shuffled(batch: GraphBatch, rng: np.random.Generator) -> GraphBatch:
    order = torch.from_numpy(rng.permutation(batch.edge_index.shape[1]))
    return replace(batch, edge_index=batch.edge_index[:, order], edge_attr=batch.edge_attr[order])


def n_parameters(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.trunk.parameters())


def check_close(found: Tensor, expected: Tensor) -> None:
    """Compare with the largest entry, lest a zero that is rounded counts as wrong."""
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()) + 1e-13)


@of_both_kinds
@EXAMPLES
@given(example=examples())
def test_products_losses_and_gradients_are_those_of_double_backward(curvature: str, example: Example) -> None:
    operators = example.all_tasks(curvature)
    alone = [double_backward(example.network, example.batches, curvature, task) for task in range(operators.n_tasks)]
    check_close(operators.products(example.vectors), torch.stack([operator @ example.vectors for operator in alone]))
    check_close(operators.losses(), torch.tensor([operator.loss() for operator in alone], dtype=torch.float64))
    check_close(operators.gradients(), torch.stack([operator.gradient() for operator in alone]))


@of_both_kinds
@EXAMPLES
@given(example=examples(), data=st.data())
def test_all_ways_to_a_product_agree(curvature: str, example: Example, data: st.DataObject) -> None:
    operators, v = example.all_tasks(curvature), example.vectors
    products = operators.products(v)
    check_close(operators.quadratic_forms(v), torch.einsum("pk,tpk->tk", v, products))
    numbers = st.integers(0, operators.n_tasks - 1)
    tasks = data.draw(st.lists(numbers, min_size=v.shape[1], max_size=v.shape[1]))
    own = torch.stack([products[task, :, column] for column, task in enumerate(tasks)], dim=1)
    check_close(operators.paired_products(v, tasks), own)
    task = data.draw(numbers)
    assert operators.task(task).shape == operators.shape
    check_close(operators.task(task) @ v, products[task])
    check_close(operators.task(task) @ v[:, 0], products[task, :, 0])


@of_both_kinds
@EXAMPLES
@given(example=examples(), a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_linear_and_symmetric(curvature: str, example: Example, a: float, b: float) -> None:
    v = example.vectors[:, 0]
    w = v.roll(1) + v.flip(0)
    operators = example.all_tasks(curvature)
    hv, hw, both = operators.products(torch.stack([v, w, a * v + b * w], dim=1)).unbind(2)
    scale = 1e-10 * float((hv.abs() + hw.abs()).max()) * (1 + abs(a) + abs(b)) + 1e-13
    torch.testing.assert_close(both, a * hv + b * hw, rtol=1e-10, atol=scale)
    torch.testing.assert_close(hv @ w, hw @ v, rtol=1e-10, atol=scale * float(w.abs().sum()))


@of_both_kinds
@EXAMPLES
@given(example=examples(), budget=st.sampled_from([0, 20_000, 60_000]))
def test_what_is_kept_and_what_is_made_anew_have_the_same_bits(curvature: str, example: Example, budget: int) -> None:
    """With nothing kept, or some of the batches, as after 20 or 60 kB."""
    kept, anew = example.all_tasks(curvature, 2**30), example.all_tasks(curvature, budget)
    for _ in range(2):  # the second time from what was kept
        assert torch.equal(kept.products(example.vectors), anew.products(example.vectors))
        assert torch.equal(kept.quadratic_forms(example.vectors), anew.quadratic_forms(example.vectors))
    assert torch.equal(kept.gradients(), anew.gradients())
    assert torch.equal(kept.losses(), anew.losses())
    assert kept.n_products == anew.n_products == 4 * kept.n_tasks * example.vectors.shape[1]


@of_both_kinds
@EXAMPLES
@given(example=examples(), data=st.data())
def test_the_order_of_edges_does_not_matter(curvature: str, example: Example, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shuffled = replace(example, batches=[with_edges_shuffled(batch, rng) for batch in example.batches])
    found, expected = (one.all_tasks(curvature).products(example.vectors) for one in (shuffled, example))
    check_close(found, expected)
