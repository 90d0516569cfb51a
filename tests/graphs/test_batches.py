"""Mini-batches against torch_geometric's."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.graphs.batches import GraphTensors, from_data_list, to_data, to_pyg_batch
from curvature_mtl.graphs.store import GraphStore
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
