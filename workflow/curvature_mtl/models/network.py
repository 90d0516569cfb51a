"""The graph network: a trunk that all tasks share, and one linear head a task."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.gated_conv import GatedConv


@dataclass(frozen=True)
class NetworkSettings:
    """Size of the network: `layers` gated layers of `width`, pooled to a `representation` of that length."""

    width: int = 64
    layers: int = 4
    representation: int = 128


class Layer(nn.Module):
    """One residual step: h + conv(norm h) + W mean(norm h over the graph).

    LayerNorm stands before the convolution and no BatchNorm is used: each graph's output depends on that
    graph alone, so that losses, and their Hessians, are sums over graphs.
    """

    def __init__(self, width: int, edge_dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = GatedConv(width, edge_dim)
        self.from_mean = nn.Linear(width, width)

    def forward(self, h: Tensor, batch: GraphBatch) -> Tensor:
        n = self.norm(h)
        mean = self.from_mean(graph_mean(n, batch))
        return h + self.conv(n, batch.edge_index, batch.edge_attr) + mean.index_select(0, batch.batch)


class Trunk(nn.Module):
    """Embedding, message passing and readout: a batch of graphs to u [graphs, representation]."""

    def __init__(self, node_dim: int, edge_dim: int, settings: NetworkSettings):
        super().__init__()
        width, out = settings.width, settings.representation
        self.embedding = nn.Linear(node_dim, width)
        self.layers = nn.ModuleList(Layer(width, edge_dim) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, 2 * out)
        self.dense = nn.ModuleList([nn.Linear(out, out), nn.Linear(out, out)])

    def forward(self, batch: GraphBatch) -> Tensor:
        h = self.embedding(batch.x)
        for layer in self.layers:
            h = layer(h, batch)
        gate, value = self.pool(self.norm(h)).chunk(2, dim=-1)
        u = graph_mean(torch.sigmoid(gate) * value, batch)
        for dense in self.dense:
            u = F.silu(dense(u))
        return u


class Network(nn.Module):
    """Trunk and linear heads: a batch of graphs to standardised predictions [graphs, tasks]."""

    def __init__(self, node_dim: int, edge_dim: int, n_tasks: int, settings: NetworkSettings):
        super().__init__()
        self.trunk = Trunk(node_dim, edge_dim, settings)
        self.heads = nn.Linear(settings.representation, n_tasks)

    def forward(self, batch: GraphBatch) -> Tensor:
        return self.heads(self.trunk(batch))


def graph_mean(values: Tensor, batch: GraphBatch) -> Tensor:
    """Return the mean over each graph's nodes: [nodes, d] to [graphs, d]."""
    count = torch.bincount(batch.batch, minlength=batch.num_graphs).clamp(min=1).to(values.dtype)
    total = values.new_zeros(batch.num_graphs, values.shape[1]).index_add(0, batch.batch, values)
    return total / count.unsqueeze(1)


def build_network(node_dim: int, edge_dim: int, n_tasks: int, settings: NetworkSettings, seed: int) -> Network:
    """Build a network with weights drawn from `seed`; equal seeds give equal trunks for any number of tasks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(node_dim, edge_dim, n_tasks, settings)
