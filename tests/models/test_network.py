"""The network: each graph by itself, in any order of its nodes, smooth, and drawn from its seed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import Graph, GraphStore
from curvature_mtl.models.network import Network, NetworkSettings, build_network, graph_mean
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

SMALL = NetworkSettings(width=6, layers=2, representation=7)


@pytest.fixture(scope="module")
def network() -> Network:
    return build_network(NODE_DIM, EDGE_DIM, 2, SMALL, seed=0).double()


@pytest.fixture(scope="module")
def graphs(graph_store: GraphStore) -> GraphTensors:
    return GraphTensors(graph_store, dtype=torch.float64)


@settings(max_examples=30)
@given(indices=st.lists(st.integers(0, 11), min_size=1, max_size=8))
def test_a_graphs_output_does_not_depend_on_its_batch(
    network: Network, graphs: GraphTensors, indices: list[int]
) -> None:
    together = network(graphs.batch(torch.tensor(indices)))
    alone = torch.cat([network(graphs.batch(torch.tensor([i]))) for i in indices])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@settings(max_examples=30)
@given(nodes=st.integers(1, 8), edges=st.integers(0, 20), seed=st.integers(0, 999))
def test_a_graphs_output_does_not_depend_on_the_order_of_nodes_and_edges(
    network: Network, nodes: int, edges: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, nodes, edges)
    order, place = rng.permutation(nodes), rng.permutation(edges)
    renumbered = np.argsort(order)[graph.edge_index[:, place]]
    shuffled = Graph(graph.node_features[order], renumbered, graph.edge_features[place])
    both = GraphTensors(GraphStore.from_graphs([graph, shuffled], np.zeros((2, 1)), ("a",)), dtype=torch.float64)
    one, two = network(both.batch(torch.tensor([0, 1])))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_graphs_that_differ_in_one_edge_have_other_outputs(network: Network) -> None:
    graph = random_graph(np.random.default_rng(0), 5, 8)
    cut = Graph(graph.node_features, graph.edge_index[:, 1:], graph.edge_features[1:])
    both = GraphTensors(GraphStore.from_graphs([graph, cut], np.zeros((2, 1)), ("a",)), dtype=torch.float64)
    one, two = network(both.batch(torch.tensor([0, 1])))
    assert (one - two).abs().min() > 1e-6


def test_equal_seeds_give_equal_trunks_for_any_number_of_tasks() -> None:
    trunks = [build_network(4, 3, tasks, SMALL, seed=5).trunk.state_dict() for tasks in (1, 12)]
    assert all(torch.equal(trunks[0][name], trunks[1][name]) for name in trunks[0])


def test_other_seeds_give_other_networks() -> None:
    one, two = (build_network(4, 3, 1, SMALL, seed) for seed in (0, 1))
    assert not torch.equal(one.trunk.embedding.weight, two.trunk.embedding.weight)
    assert not torch.equal(one.heads.weight, two.heads.weight)


def test_building_a_network_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(0)
    undisturbed = torch.rand(3)
    torch.manual_seed(0)
    build_network(4, 3, 1, SMALL, seed=5)
    assert torch.equal(torch.rand(3), undisturbed)


def test_the_heads_are_linear_in_the_representation(network: Network, graphs: GraphTensors) -> None:
    batch = graphs.batch(torch.arange(12))
    u = network.trunk(batch)
    assert u.shape == (12, SMALL.representation)
    torch.testing.assert_close(network(batch), u @ network.heads.weight.T + network.heads.bias)


def test_the_mean_is_over_each_graphs_own_nodes(graphs: GraphTensors, graph_store: GraphStore) -> None:
    batch = graphs.batch(torch.arange(12))
    mean = graph_mean(batch.x, batch)
    np.testing.assert_allclose(mean, [graph_store[i].node_features.mean(0) for i in range(12)], atol=1e-6)


def test_second_derivatives_of_the_trunk_are_those_of_finite_differences(
    network: Network, graphs: GraphTensors
) -> None:
    batch = graphs.batch(torch.arange(12))
    names = [name for name, _ in network.trunk.named_parameters()]
    parameters = [p.detach() for p in network.trunk.parameters()]
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=generator) for p in parameters]

    def gradient(at: list[Tensor], create_graph: bool = False) -> list[Tensor]:
        out = torch.func.functional_call(network.trunk, dict(zip(names, at, strict=True)), (batch,))
        return torch.autograd.grad(out.square().sum(), at, create_graph=create_graph)

    def moved(step: float) -> list[Tensor]:
        return [(p + step * v).requires_grad_() for p, v in zip(parameters, direction, strict=True)]

    here = moved(0)
    product = torch.autograd.grad(gradient(here, create_graph=True), here, direction)
    step = 1e-5
    for exact, above, below in zip(product, gradient(moved(step)), gradient(moved(-step)), strict=True):
        assert exact.abs().max() > 0
        torch.testing.assert_close((above - below) / (2 * step), exact, rtol=1e-5, atol=1e-7)
