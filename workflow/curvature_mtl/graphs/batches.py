"""Mini-batches by index arithmetic on the flat graph store, and conversion to and from torch_geometric."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from curvature_mtl.graphs.store import Graph, GraphStore

if TYPE_CHECKING:
    from torch_geometric.data import Batch, Data


@dataclass(frozen=True)
class GraphBatch:
    """Several graphs as one disconnected graph, with torch_geometric's names for the fields."""

    x: Tensor  # [nodes, node_dim]
    edge_index: Tensor  # [2, edges] int64; row 0 sources, row 1 targets, sorted by target
    edge_attr: Tensor  # [edges, edge_dim]
    batch: Tensor  # [nodes] int64, the graph of each node, ascending
    y: Tensor  # [graphs, tasks], NaN for a missing label
    num_graphs: int


class GraphTensors:
    """A graph store as tensors, from which batches are cut without a Python loop over graphs."""

    def __init__(self, store: GraphStore, y: np.ndarray | None = None, dtype: torch.dtype = torch.float32):
        """Take the graphs of `store` with the targets `y` [graphs, tasks] (the store's own by default)."""
        self._expansion = _Expansion(store, dtype)
        self._nodes = torch.from_numpy(store.node_features).to(dtype)
        self._edge_index = torch.from_numpy(store.edge_index).long()
        self._edges = torch.from_numpy(store.edge_features).to(dtype)
        self.y = torch.from_numpy(store.targets if y is None else y).to(dtype)
        self._node_start, self._node_count = _starts_and_counts(store.node_offsets)
        self._edge_start, self._edge_count = _starts_and_counts(store.edge_offsets)

    def __len__(self) -> int:
        return len(self._node_count)

    def batch(self, graphs: Tensor) -> GraphBatch:
        """Return the graphs with the given indices [graphs] int64, in that order."""
        node_count, edge_count = self._node_count[graphs], self._edge_count[graphs]
        nodes = _concatenated_ranges(self._node_start[graphs], node_count)
        edges = _concatenated_ranges(self._edge_start[graphs], edge_count)
        first_node = torch.cumsum(node_count, 0) - node_count
        return GraphBatch(
            x=self._expansion.nodes(self._nodes[nodes]),
            edge_index=self._edge_index[:, edges] + torch.repeat_interleave(first_node, edge_count),
            edge_attr=self._expansion.edges(self._edges[edges]),
            batch=torch.repeat_interleave(torch.arange(len(graphs)), node_count),
            y=self.y[graphs],
            num_graphs=len(graphs),
        )

    def batches(self, graphs: Tensor, size: int) -> Iterator[GraphBatch]:
        """Yield the given graphs in batches of `size`, in order; the last batch may be smaller."""
        for part in torch.split(graphs, size):
            yield self.batch(part)


class _Expansion:
    """From stored to full features: a kind of node to its row of the table, a distance to Gaussians."""

    def __init__(self, store: GraphStore, dtype: torch.dtype):
        self._table = torch.from_numpy(store.node_table).to(dtype)
        self._centres = torch.from_numpy(store.distance_centres).to(dtype)

    def nodes(self, stored: Tensor) -> Tensor:
        """Return node features [nodes, node_dim]."""
        return self._table[stored[:, 0].long()] if len(self._table) else stored

    def edges(self, stored: Tensor) -> Tensor:
        """Return edge features [edges, edge_dim]: exp(-((d - c) / w)^2), w being the distance between centres c."""
        if not len(self._centres):
            return stored
        width = self._centres[1] - self._centres[0]
        return torch.exp(-(((stored - self._centres) / width) ** 2))


def to_data(store: GraphStore, i: int) -> "Data":
    """Return graph `i` as a `torch_geometric.data.Data` with full features, and y of shape [1, tasks]."""
    from torch_geometric.data import Data

    graph, expansion = store[i], _Expansion(store, torch.float32)
    return Data(
        x=expansion.nodes(torch.from_numpy(graph.node_features)),
        edge_index=torch.from_numpy(graph.edge_index).long(),
        edge_attr=expansion.edges(torch.from_numpy(graph.edge_features)),
        y=torch.from_numpy(store.targets[i : i + 1]),
    )


def to_pyg_batch(store: GraphStore, graphs: list[int]) -> "Batch":
    """Return the given graphs as one `torch_geometric.data.Batch`."""
    from torch_geometric.data import Batch

    return Batch.from_data_list([to_data(store, i) for i in graphs])


def from_data_list(data: "list[Data]", tasks: tuple[str, ...]) -> GraphStore:
    """Build a graph store from `Data` objects with x, edge_index, edge_attr and y of shape [1, tasks]."""
    graphs = [Graph(d.x.numpy(), d.edge_index.numpy().astype(np.int32), d.edge_attr.numpy()) for d in data]
    return GraphStore.from_graphs(graphs, np.concatenate([d.y.numpy() for d in data]), tasks)


def _starts_and_counts(offsets: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(offsets[:-1].copy()), torch.from_numpy(np.diff(offsets))


def _concatenated_ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """Return the ranges start..start+count-1 one after the other."""
    position_of_start = torch.cumsum(counts, 0) - counts
    return torch.arange(int(counts.sum())) + torch.repeat_interleave(starts - position_of_start, counts)
