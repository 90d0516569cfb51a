"""What curvature-informed weightings share: measurements on few graphs, refreshed before an epoch, within a budget."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.models.network import Network
from curvature_mtl.training.weighting.base import Cost, Weighting

# What refreshes may cost, relative to the steps; where the fewest graphs cost more, some epochs go without.
SHARE_OF_PASSES = 0.05
FEWEST_GRAPHS = 8
# Weight of the newest measurement in the moving average.
NEWEST = 0.5
GRAPHS_PER_BATCH = 256
# Nothing that is measured counts as smaller than this share of the largest, lest it get all the weight.
SMALLEST = 1e-6


class MeasuredWeighting(Weighting):
    """A weighting that depends on positive measures of the tasks, averaged geometrically over the refreshes.

    They are taken on a fixed part of the training graphs, in which the tasks have as many labels each as can be.
    A probe, or a product for one task, counts as one pass over the graphs it touches: derivatives along a vector
    take half the time of a forward-backward pass, and go to all tasks at once; a product takes as long as it.

    Attributes:
        measured: moving average of the logarithms.
        allowed: passes over graphs that may still be spent.
    """

    measured: Tensor
    allowed: Tensor

    def __init__(self, *shape: int):
        super().__init__()
        self.register_buffer("measured", torch.zeros(*shape, dtype=torch.float64))
        self.register_buffer("allowed", torch.tensor(math.inf, dtype=torch.float64))

    @abstractmethod
    def measure(self, network: Network, batches: Sequence[GraphBatch]) -> tuple[Tensor, float, int]:
        """Return what is measured, the passes over the batches' graphs that it took, and the products."""

    @abstractmethod
    def passes_per_graph(self) -> float:
        """Return the passes that a measurement usually takes."""

    def refresh(self, network: Network, graphs: GraphTensors, train: Tensor) -> Cost:
        is_first = bool(self.allowed.isinf())
        allowance = SHARE_OF_PASSES * len(train) * self.passes_per_step(graphs.y.shape[1])
        if is_first:
            self.allowed.zero_()
        self.allowed += allowance
        size = min(len(train), max(FEWEST_GRAPHS, int(allowance / self.passes_per_graph())))
        if not is_first and size * self.passes_per_graph() > self.allowed:
            return Cost()
        chosen = balanced_subset(train, ~torch.isnan(graphs.y[train]), size)
        measure, passes, products = self.measure(network, list(graphs.batches(chosen, GRAPHS_PER_BATCH)))
        newest = measure.double().clamp(min=SMALLEST * float(measure.max())).log()
        self.measured.copy_(newest if is_first else torch.lerp(self.measured, newest, NEWEST))
        self.allowed -= passes * size
        return Cost(passes * size, products)


def balanced_subset(train: Tensor, labelled: Tensor, size: int) -> Tensor:
    """Return `size` of the training graphs such that the tasks have as many labels each as can be.

    The graphs come in a fixed random order, and those go first that are early among the labelled ones of any task.

    Args:
        train: numbers of the graphs [n].
        labelled: which tasks they have a label of [n, T].
    """
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    rank = labelled[order].cumsum(0).where(labelled[order], len(train) + 1).min(1).values
    return train[order[torch.argsort(rank, stable=True)[:size]]]


def trunk_size(network: Network) -> int:
    """Return the number of the trunk's parameters."""
    return sum(parameter.numel() for parameter in network.trunk.parameters())


def random_signs(network: Network, n: int, generator: torch.Generator | None = None) -> Tensor:
    """Return n vectors of independent random signs [n, p], like the trunk's parameters."""
    signs = torch.randint(0, 2, (n, trunk_size(network)), generator=generator)
    return signs.to(network.heads.weight) * 2 - 1
