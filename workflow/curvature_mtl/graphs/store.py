"""The flat graph store: all graphs of a dataset as a few concatenated arrays in one safetensors file."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from curvature_mtl.tensor_files import checked, read_tensors, write_tensors

FORM = "curvature-mtl-graphs/2"
NO_TABLE = np.zeros((0, 0), dtype=np.float32)
NO_CENTRES = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class Graph:
    """One featurized graph; edges point from `edge_index[0]` to `edge_index[1]`, both ways for a bond."""

    node_features: np.ndarray  # [nodes, node_dim] float32
    edge_index: np.ndarray  # [2, edges] int32, numbered within the graph
    edge_features: np.ndarray  # [edges, edge_dim] float32

    def sorted_by_target(self) -> "Graph":
        """Return the same graph with its edges in order of (target, source)."""
        order = np.lexsort((self.edge_index[0], self.edge_index[1]))
        return Graph(self.node_features, self.edge_index[:, order], self.edge_features[order])


@dataclass(frozen=True)
class GraphStore:
    """Graph i has the nodes `node_offsets[i]:node_offsets[i+1]`, and its edges likewise.

    Edge indices are numbered within each graph, sorted by target. `targets` is [graphs, tasks] in
    the tasks' units with NaN for a missing label.

    Crystals are stored in a compact form, which a mini-batch expands: `node_features` [nodes, 1] are then row
    numbers of `node_table` [kinds, node_dim], and `edge_features` [edges, 1] are distances, to be expanded in
    Gaussians at `distance_centres` [edge_dim]. Both are empty where features are stored as they are.
    """

    node_features: np.ndarray
    edge_index: np.ndarray
    edge_features: np.ndarray
    node_offsets: np.ndarray
    edge_offsets: np.ndarray
    targets: np.ndarray
    tasks: tuple[str, ...]
    node_table: np.ndarray = field(default_factory=lambda: NO_TABLE)
    distance_centres: np.ndarray = field(default_factory=lambda: NO_CENTRES)

    @property
    def node_dim(self) -> int:
        """Number of features of a node in a mini-batch."""
        return int(self.node_table.shape[1] if self.node_table.size else self.node_features.shape[1])

    @property
    def edge_dim(self) -> int:
        """Number of features of an edge in a mini-batch."""
        return int(len(self.distance_centres) or self.edge_features.shape[1])

    def __len__(self) -> int:
        return len(self.node_offsets) - 1

    def __getitem__(self, i: int) -> Graph:
        """Return graph `i` alone."""
        nodes = slice(self.node_offsets[i], self.node_offsets[i + 1])
        edges = slice(self.edge_offsets[i], self.edge_offsets[i + 1])
        return Graph(self.node_features[nodes], self.edge_index[:, edges], self.edge_features[edges])

    @classmethod
    def from_graphs(
        cls,
        graphs: list[Graph],
        targets: np.ndarray,
        tasks: tuple[str, ...],
        node_table: np.ndarray = NO_TABLE,
        distance_centres: np.ndarray = NO_CENTRES,
    ) -> "GraphStore":
        """Concatenate graphs.

        Args:
            graphs: at least one graph.
            targets: [graphs, tasks], NaN for a missing label.
            tasks: names of the columns of `targets`.
            node_table: features of each kind of node, if the graphs' node features are row numbers of it.
            distance_centres: in angstrom, if the graphs' edge features are distances.

        Raises:
            ValueError: if there is no graph, or the shape of `targets` does not fit.
        """
        if not graphs:
            raise ValueError("a graph store needs at least one graph")
        if targets.shape != (len(graphs), len(tasks)):
            raise ValueError(f"targets have shape {targets.shape}, expected {(len(graphs), len(tasks))}")
        graphs = [graph.sorted_by_target() for graph in graphs]
        return cls(
            node_features=np.concatenate([g.node_features for g in graphs]).astype(np.float32),
            edge_index=np.concatenate([g.edge_index for g in graphs], axis=1).astype(np.int32),
            edge_features=np.concatenate([g.edge_features for g in graphs]).astype(np.float32),
            node_offsets=_offsets([len(g.node_features) for g in graphs]),
            edge_offsets=_offsets([g.edge_index.shape[1] for g in graphs]),
            targets=targets.astype(np.float64),
            tasks=tuple(tasks),
            node_table=node_table,
            distance_centres=distance_centres,
        )

    def save(self, path: Path) -> None:
        """Write the store as safetensors; the task names stand in the file's metadata."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "tasks"}
        write_tensors(path, arrays, FORM, {"tasks": self.tasks})

    @classmethod
    def load(cls, path: Path) -> "GraphStore":
        """Read a store.

        Raises:
            UserError: if the file is not a graph store of this form, or its arrays do not fit together.
        """
        arrays, described = read_tensors(path, FORM)
        return checked(path, lambda: cls(**arrays, tasks=tuple(described["tasks"]))._checked())

    def _checked(self) -> "GraphStore":
        """Return the store, if mini-batches can be cut from it and all that is in them is finite.

        Raises:
            ValueError: saying what does not fit.
        """
        nodes, edges, graphs = len(self.node_features), len(self.edge_features), len(self.targets)
        _check_offsets("node_offsets", self.node_offsets, nodes, graphs)
        _check_offsets("edge_offsets", self.edge_offsets, edges, graphs)
        _check_array("node_features", self.node_features, np.float32, (nodes, -1))
        _check_array("edge_features", self.edge_features, np.float32, (edges, -1))
        _check_array("edge_index", self.edge_index, np.int32, (2, edges))
        _check_array("node_table", self.node_table, np.float32, (-1, -1))
        _check_array("distance_centres", self.distance_centres, np.float32, (-1,))
        _check_array("targets", self.targets, np.float64, (graphs, len(self.tasks)), missing=True)
        own_nodes = np.repeat(np.diff(self.node_offsets), np.diff(self.edge_offsets))
        if not ((self.edge_index >= 0) & (self.edge_index < own_nodes)).all():
            raise ValueError("edge_index leads out of a graph")
        if self.node_table.size and not _are_rows(self.node_features, len(self.node_table)):
            raise ValueError("node_features are no rows of node_table")
        if self.distance_centres.size and not (np.diff(self.distance_centres) > 0).all():
            raise ValueError("distance_centres do not ascend")
        if self.distance_centres.size == 1 or (self.distance_centres.size and self.edge_features.shape[1] != 1):
            raise ValueError("edge_features are no distances")
        if len(set(self.tasks)) < max(1, len(self.tasks)) or not all(isinstance(task, str) for task in self.tasks):
            raise ValueError("tasks are no different names")
        return self


def _check_offsets(name: str, offsets: np.ndarray, length: int, graphs: int) -> None:
    _check_array(name, offsets, np.int64, (graphs + 1,))
    if graphs < 1 or offsets[0] != 0 or offsets[-1] != length or (np.diff(offsets) < 0).any():
        raise ValueError(f"{name} do not go from 0 to {length}")


def _check_array(name: str, array: np.ndarray, dtype: type, shape: tuple[int, ...], missing: bool = False) -> None:
    """Raise ValueError unless dtype and shape (-1: any length) are these, and all numbers finite, or some missing."""
    lengths = tuple(found if wanted == -1 else wanted for found, wanted in zip(array.shape, shape, strict=False))
    if array.dtype != dtype or array.shape != lengths or array.ndim != len(shape):
        raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}")
    if (np.isinf(array) if missing else ~np.isfinite(array)).any():
        raise ValueError(f"{name} is not all finite")


def _are_rows(numbers: np.ndarray, length: int) -> bool:
    is_row = (numbers >= 0) & (numbers < length) & (numbers == np.floor(numbers))
    return numbers.shape[1] == 1 and bool(is_row.all())


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
