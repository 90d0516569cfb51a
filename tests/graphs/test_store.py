"""The flat graph store: graphs come out as they went in, and the file says what it is."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.store import Graph, GraphStore
from curvature_mtl.tensor_files import write_tensors
from small_graphs import EDGE_DIM, NODE_DIM

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
CENTRES = np.linspace(0, 8, 5, dtype=np.float32)


@pytest.fixture
def compact_store() -> GraphStore:
    """Two crystals: their nodes are rows 1 and 3, and row 2, of a table; their edges are distances."""
    one = Graph(np.array([[1], [3]], np.float32), np.array([[0, 1], [1, 0]], np.int32), np.array([[2.5], [2.5]]))
    two = Graph(np.array([[2]], np.float32), np.array([[0, 0], [0, 0]], np.int32), np.array([[3.1], [3.2]]))
    return GraphStore.from_graphs([one, two], np.array([[1.0], [np.nan]]), ("a",), TABLE, CENTRES)


def assert_equal(one: GraphStore, two: GraphStore) -> None:
    assert vars(one).keys() == vars(two).keys()
    assert one.tasks == two.tasks
    for name in vars(one).keys() - {"tasks"}:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name, strict=True)


def test_a_graph_comes_out_with_its_edges_sorted_by_target() -> None:
    nodes = np.arange(6, dtype=np.float32).reshape(3, 2)
    edges = np.array([[2, 0, 1, 2], [1, 2, 0, 0]], dtype=np.int32)
    features = np.array([[21], [2], [10], [20]], dtype=np.float32)
    empty = Graph(np.ones((1, 2), np.float32), np.zeros((2, 0), np.int32), np.zeros((0, 1), np.float32))
    store = GraphStore.from_graphs([empty, Graph(nodes, edges, features), empty], np.zeros((3, 1)), ("a",))
    assert len(store) == 3
    np.testing.assert_array_equal(store[1].node_features, nodes)
    np.testing.assert_array_equal(store[1].edge_index, [[1, 2, 2, 0], [0, 0, 1, 2]])
    np.testing.assert_array_equal(store[1].edge_features, [[10], [20], [21], [2]])
    assert store[0].edge_index.shape == store[2].edge_index.shape == (2, 0)


def test_dtypes_do_not_depend_on_those_given(graph_store: GraphStore) -> None:
    graph = Graph(np.ones((2, 1)), np.array([[0], [1]]), np.ones((1, 1)))
    store = GraphStore.from_graphs([graph], np.zeros((1, 1), np.float32), ("a",))
    for name in vars(store).keys() - {"tasks"}:
        assert getattr(store, name).dtype == getattr(graph_store, name).dtype, name


def test_no_graph_is_no_store() -> None:
    with pytest.raises(ValueError, match="at least one graph"):
        GraphStore.from_graphs([], np.zeros((0, 1)), ("a",))


def test_targets_must_fit_graphs_and_tasks(graph_store: GraphStore) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 2\), expected \(1, 1\)"):
        GraphStore.from_graphs([graph_store[0]], np.zeros((1, 2)), ("a",))


def test_saved_and_loaded_is_equal_in_every_bit(graph_store: GraphStore, tmp_path: Path) -> None:
    graph_store.save(tmp_path / "graphs.safetensors")
    assert_equal(GraphStore.load(tmp_path / "graphs.safetensors"), graph_store)


def test_equal_stores_give_equal_bytes(graph_store: GraphStore, tmp_path: Path) -> None:
    path = tmp_path / "graphs.safetensors"
    contents = set()
    for _ in range(20):
        graph_store.save(path)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    write_tensors(path, {"x": np.ones(1)}, "curvature-mtl-graphs/0", {})
    with pytest.raises(UserError, match=r"other.safetensors: its form is 'curvature-mtl-graphs/0', expected"):
        GraphStore.load(path)


def test_a_file_without_metadata_is_refused(tmp_path: Path) -> None:
    save_file({"x": np.ones(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(UserError, match=r"plain.safetensors: its form is None, expected"):
        GraphStore.load(tmp_path / "plain.safetensors")


def test_compact_crystals_are_saved_and_loaded_with_their_table_and_centres(
    compact_store: GraphStore, tmp_path: Path
) -> None:
    compact_store.save(tmp_path / "graphs.safetensors")
    loaded = GraphStore.load(tmp_path / "graphs.safetensors")
    assert_equal(loaded, compact_store)
    np.testing.assert_array_equal(loaded.node_table, TABLE, strict=True)
    np.testing.assert_array_equal(loaded.distance_centres, CENTRES, strict=True)
    assert (loaded.node_dim, loaded.edge_dim) == (3, 5)


def test_dimensions_are_those_of_a_mini_batch(graph_store: GraphStore, compact_store: GraphStore) -> None:
    assert (graph_store.node_dim, graph_store.edge_dim) == (NODE_DIM, EDGE_DIM)
    assert (compact_store.node_dim, compact_store.edge_dim) == (3, 5)
    assert compact_store.node_features.shape == (3, 1)
    assert compact_store.edge_features.shape == (4, 1)


def test_a_graph_of_a_compact_store_stays_compact(compact_store: GraphStore) -> None:
    assert compact_store[0].node_features.tolist() == [[1], [3]]
    np.testing.assert_array_equal(compact_store[1].edge_features, np.array([[3.1], [3.2]], np.float32))


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_garbage_or_half_a_file_is_refused(graph_store: GraphStore, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "graphs.safetensors"
    graph_store.save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"graphs.safetensors: not a readable safetensors file"):
        GraphStore.load(path)
