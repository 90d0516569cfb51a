"""PyHessian (Yao, Gholami, Keutzer and Mahoney, IEEE BigData 2020): one vector at a time, of one scalar loss."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch
from pyhessian import hessian
from pyhessian.utils import hessian_vector_product
from torch import Tensor, nn

from curvature_mtl.benchmarks.peer import Peer, Products, TaskLoss, in_parts, joined, with_trunk_alone
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Network

NAME = f"PyHessian {version('pyhessian')}"
# The reference cycles that torch warns of are collected between the parts of the benchmark (stopwatch.py).
warnings.filterwarnings("ignore", message=r"Using backward\(\) with create_graph=True")
# Probes after which its `trace` gives up unless told otherwise.
MOST_TRACE_PROBES = 100


@dataclass(frozen=True)
class Inputs:
    """A batch of graphs with what PyHessian asks of an input tensor."""

    batch: GraphBatch

    def size(self, dim: int) -> int:
        """Return the number of graphs."""
        assert dim == 0, "PyHessian weighs a batch by its first dimension"
        return self.batch.num_graphs

    def to(self, device: str) -> "Inputs":
        """Return itself: the graphs stay where they are."""
        return self


class Model(nn.Module):
    """A network that takes `Inputs`; only its trunk has parameters that ask for gradients."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = with_trunk_alone(network)

    def forward(self, inputs: Inputs) -> Tensor:
        return self.network(inputs.batch)


def single_batch(network: Network, batch: GraphBatch) -> Peer:
    """Return its mode for a single batch: the graph of the gradient is kept for all vectors."""

    def prepare(task: int) -> Products:
        kept = hessian(Model(network), TaskLoss(task), data=(Inputs(batch), batch.y), cuda=False)

        def product(vector: Tensor) -> Tensor:
            return joined(hessian_vector_product(kept.gradsH, kept.params, in_parts(vector, kept.params)))

        return lambda vectors: torch.stack([product(vector) for vector in vectors.T], dim=1)

    return Peer(f"{NAME}, single batch", prepare)


def dataloader(network: Network, batches: Sequence[GraphBatch]) -> Peer:
    """Return its mode for several batches: everything is computed anew for each vector."""

    def prepare(task: int) -> Products:
        data = [(Inputs(batch), batch.y) for batch in batches]
        kept = hessian(Model(network), TaskLoss(task), dataloader=data, cuda=False)

        def product(vector: Tensor) -> Tensor:
            _, parts = kept.dataloader_hv_product(in_parts(vector, kept.params))
            return joined(parts).detach()

        return lambda vectors: torch.stack([product(vector) for vector in vectors.T], dim=1)

    return Peer(f"{NAME}, dataloader, {batches[0].num_graphs} graphs a batch", prepare)


def failure_of_density(network: Network, batch: GraphBatch) -> str:
    """Return what its `density`, which calls `torch.eig`, raises with this torch, in short; empty if it works."""
    kept = hessian(Model(network), TaskLoss(0), data=(Inputs(batch), batch.y), cuda=False)
    try:
        kept.density(iter=2)
    except (AttributeError, RuntimeError) as error:
        return f"{type(error).__name__}: {str(error).split('. ')[0]}"
    return ""
