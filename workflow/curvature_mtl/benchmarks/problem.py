"""The network, graphs and vectors that all are given."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.curvature.measure import subset_of
from curvature_mtl.curvature.trace import rademacher
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import Network, build_network
from curvature_mtl.training.standardise import Standardiser


@dataclass(frozen=True)
class Problem:
    """A randomly initialised network, and graphs with a label of every task.

    Attributes:
        network: trunk and heads; the block is the trunk.
        graphs: the store, with standardised targets.
        chosen: numbers of the graphs that the losses are means over.
        vectors: random signs [p, probes].
        tasks: their names.
    """

    network: Network
    graphs: GraphTensors
    chosen: Tensor
    vectors: Tensor
    tasks: tuple[str, ...]

    @property
    def trunk(self) -> list[nn.Parameter]:
        """The parameters that products are taken in."""
        return list(self.network.trunk.parameters())

    def batches(self, size: int) -> list[GraphBatch]:
        """Return the graphs, `size` a batch."""
        return list(self.graphs.batches(self.chosen, size))


def build_problem(store: GraphStore, settings: BenchmarkSettings, dtype: torch.dtype = torch.float32) -> Problem:
    """Draw graphs, weights and vectors; in another dtype they are the same up to rounding.

    Raises:
        UserError: if no graph has a label of every task.
    """
    complete = ~np.isnan(store.targets).any(axis=1)
    if not complete.any():
        # A peer takes the mean over all graphs of a batch: it has no right weights for missing labels.
        raise UserError("no graph has a label of every task, as peers need; choose another dataset or fewer tasks")
    chosen = subset_of(np.arange(len(store)), complete, settings.graphs, settings.seed)
    standardiser = Standardiser.fit(store.targets[chosen], list(store.tasks))
    graphs = GraphTensors(store, standardiser.forward(store.targets), dtype)
    size = settings.network
    network = build_network(store.node_dim, store.edge_dim, len(store.tasks), size, settings.seed).to(dtype)
    p = sum(parameter.numel() for parameter in network.trunk.parameters())
    vectors = rademacher(p, settings.probes, settings.seed).T.to(dtype)
    return Problem(network, graphs, torch.from_numpy(chosen), vectors, store.tasks)
