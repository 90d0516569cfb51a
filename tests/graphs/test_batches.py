"""Mini-batches against torch_geometric's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.graphs.batches import GraphTensors, from_data_list, to_data, to_pyg_batch
from curvature_mtl.graphs.store import Graph, GraphStore
from small_graphs import random_graph

INDICES = st.lists(st.integers(0, 11), min_size=1, max_size=20)


@given(indices=INDICES)
def test_a_batch_equals_that_of_torch_geometric(graph_store: GraphStore, indices: list[int]) -> None:
    ours = GraphTensors(graph_store, dtype=torch.float64).batch(torch.tensor(indices))
    theirs = to_pyg_batch(graph_store, indices)
    assert torch.equal(ours.x, theirs.x.double())
    assert torch.equal(ours.edge_index, theirs.edge_index)
    assert torch.equal(ours.edge_attr, theirs.edge_attr.double())
    assert torch.equal(ours.batch, theirs.batch)
    assert torch.equal(ours.y.nan_to_num(99), theirs.y.nan_to_num(99))
    assert ours.num_graphs == theirs.num_graphs


@given(
    sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 8)), min_size=1, max_size=6), seed=st.integers(0, 999)
)
def test_through_torch_geometric_and_back(sizes: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = np.where(rng.random((len(sizes), 2)) < 0.3, np.nan, rng.normal(size=(len(sizes), 2)))
    store = GraphStore.from_graphs([random_graph(rng, *size) for size in sizes], targets, ("a", "b"))
    back = from_data_list([to_data(store, i) for i in range(len(store))], store.tasks)
    again = from_data_list(to_pyg_batch(store, list(range(len(store)))).to_data_list(), store.tasks)
    for name in vars(store):
        np.testing.assert_array_equal(getattr(back, name), getattr(store, name), err_msg=name)
        np.testing.assert_array_equal(getattr(again, name), getattr(store, name), err_msg=name)


@given(indices=INDICES, size=st.integers(1, 25))
def test_batches_are_the_graphs_in_order_in_parts_of_the_size(
    graph_store: GraphStore, indices: list[int], size: int
) -> None:
    graphs = GraphTensors(graph_store)
    parts = list(graphs.batches(torch.tensor(indices), size))
    assert [part.num_graphs for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert 0 < parts[-1].num_graphs <= size
    whole = graphs.batch(torch.tensor(indices))
    assert torch.equal(torch.cat([part.x for part in parts]), whole.x)
    assert torch.equal(torch.cat([part.edge_attr for part in parts]), whole.edge_attr)


def test_edges_of_a_batch_are_sorted_by_target(graph_store: GraphStore) -> None:
    target = GraphTensors(graph_store).batch(torch.tensor([5, 0, 3, 0])).edge_index[1]
    assert (target.diff() >= 0).all()


def test_given_targets_take_the_place_of_the_stores(graph_store: GraphStore) -> None:
    graphs = GraphTensors(graph_store, y=np.arange(12.0).reshape(12, 1))
    assert graphs.batch(torch.tensor([3, 1])).y.tolist() == [[3.0], [1.0]]
    assert len(graphs) == 12


def test_torch_geometric_names_the_targets_of_one_graph_as_a_row(graph_store: GraphStore) -> None:
    assert to_data(graph_store, 1).y.shape == (1, 2)


TABLE = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
CENTRES = np.arange(0, 8.1, 0.5, dtype=np.float32)


def compact_store(rng: np.random.Generator, sizes: list[tuple[int, int]]) -> GraphStore:
    """Make graphs of (nodes, edges) whose nodes are rows 1 to 5 of a table and whose edges are distances."""
    graphs = [
        Graph(
            rng.integers(1, 6, (nodes, 1)).astype(np.float32),
            rng.integers(nodes, size=(2, edges)).astype(np.int32),
            rng.uniform(0.5, 8, (edges, 1)).astype(np.float32),
        )
        for nodes, edges in sizes
    ]
    return GraphStore.from_graphs(graphs, rng.normal(size=(len(sizes), 2)), ("a", "b"), TABLE, CENTRES)


@pytest.fixture(scope="module")
def crystals() -> GraphStore:
    """Eight compact graphs; the third has one node and no edge."""
    return compact_store(np.random.default_rng(1), [(3, 9), (1, 4), (1, 0), (5, 12), (2, 7), (4, 8), (2, 3), (6, 10)])


class TestCrystals:
    @given(indices=st.lists(st.integers(0, 7), min_size=1, max_size=12))
    def test_a_batch_has_rows_of_the_table_and_gaussians_of_the_distance(
        self, crystals: GraphStore, indices: list[int]
    ) -> None:
        batch = GraphTensors(crystals, dtype=torch.float64).batch(torch.tensor(indices))
        rows = np.concatenate([crystals[i].node_features[:, 0].astype(int) for i in indices])
        np.testing.assert_array_equal(batch.x, TABLE[rows].astype(np.float64))
        distances = np.concatenate([crystals[i].edge_features for i in indices]).astype(np.float64)
        np.testing.assert_allclose(batch.edge_attr, np.exp(-(((distances - CENTRES) / 0.5) ** 2)), rtol=1e-12)
        assert batch.x.shape[1] == crystals.node_dim
        assert batch.edge_attr.shape[1] == crystals.edge_dim

    def test_a_gaussian_is_1_at_its_centre_and_1_over_e_at_the_next(self) -> None:
        at_centre = Graph(np.ones((1, 1)), np.zeros((2, 1), np.int32), np.array([[2.5]]))
        store = GraphStore.from_graphs([at_centre], np.zeros((1, 1)), ("a",), TABLE, CENTRES)
        (gaussians,) = GraphTensors(store, dtype=torch.float64).batch(torch.tensor([0])).edge_attr
        assert gaussians[5] == 1
        np.testing.assert_allclose(gaussians[4:7], np.exp([-1, 0, -1]), rtol=1e-12)

    @given(indices=st.lists(st.integers(0, 7), min_size=1, max_size=12))
    def test_torch_geometric_gets_the_full_features(self, crystals: GraphStore, indices: list[int]) -> None:
        ours = GraphTensors(crystals).batch(torch.tensor(indices))
        theirs = to_pyg_batch(crystals, indices)
        for name in ("x", "edge_index", "edge_attr", "batch"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
        assert theirs.x.dtype == theirs.edge_attr.dtype == torch.float32

    def test_from_torch_geometric_they_come_back_with_full_features(self, crystals: GraphStore) -> None:
        back = from_data_list([to_data(crystals, i) for i in range(len(crystals))], crystals.tasks)
        assert (back.node_table.size, back.distance_centres.size) == (0, 0)
        assert (back.node_dim, back.edge_dim) == (crystals.node_dim, crystals.edge_dim)
        everything = torch.arange(len(crystals))
        ours, theirs = GraphTensors(crystals).batch(everything), GraphTensors(back).batch(everything)
        for name in ("x", "edge_index", "edge_attr", "batch", "y"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
