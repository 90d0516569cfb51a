"""A network small enough for its dense Hessian, and matrices with known spectra."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.graphs.store import Graph, GraphStore
from curvature_mtl.models.losses import log_cosh, task_sums
from curvature_mtl.models.network import Network, NetworkSettings, build_network

TASK = 1  # the task whose dense Hessian is formed; a third of its labels are missing

torch.set_num_threads(1)


def losses(module: nn.Module, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    return task_sums(module(batch), batch.y, log_cosh)


def ring(rng: np.random.Generator, nodes: int) -> Graph:
    """Make a ring with random features, its edges both ways."""
    atoms = np.arange(nodes)
    one_way = np.stack([atoms, (atoms + 1) % nodes])
    edges = np.concatenate([one_way, one_way[::-1]], axis=1)
    return Graph(rng.normal(size=(nodes, 4)), edges, rng.normal(size=(edges.shape[1], 3)))


@dataclass(frozen=True)
class Problem:
    """The network, its graphs (9 of them, 3 tasks, masked labels) and the dense trunk Hessian of `TASK`."""

    network: Network
    store: GraphStore
    graphs: GraphTensors
    dense: Tensor

    def operator(self, task: int = TASK, graphs: Tensor | None = None, batch_size: int = 4) -> TaskHessian:
        chosen = torch.arange(len(self.graphs)) if graphs is None else graphs
        batches = list(self.graphs.batches(chosen, batch_size))
        return TaskHessian(self.network, list(self.network.trunk.parameters()), losses, batches, task)


@cache
def network_problem() -> Problem:
    """Build the problem, once for all tests."""
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(9, 3))
    targets[[0, 4, 5], TASK] = np.nan  # graphs 4 to 7 are a batch with both kinds
    targets[4:8, 2] = np.nan  # a batch without any label of task 2
    store = GraphStore.from_graphs([ring(rng, int(n)) for n in rng.integers(3, 6, size=9)], targets, ("a", "b", "c"))
    graphs = GraphTensors(store, dtype=torch.float64)
    network = build_network(4, 3, 3, NetworkSettings(width=8, layers=2, representation=8), seed=0).double()
    return Problem(network, store, graphs, dense_hessian(network, graphs.batch(torch.arange(9)), TASK))


def dense_hessian(
    network: Network, batch: GraphBatch, task: int, pointwise: Callable[[Tensor], Tensor] = log_cosh
) -> Tensor:
    """Form the trunk Hessian of one task's mean loss by another path than the operator's: torch.func, row by row."""
    names = [f"trunk.{name}" for name, _ in network.trunk.named_parameters()]
    parameters = [parameter.detach() for parameter in network.trunk.parameters()]
    sizes = [parameter.numel() for parameter in parameters]

    def loss(flat: Tensor) -> Tensor:
        parts = [part.view_as(like) for part, like in zip(flat.split(sizes), parameters, strict=True)]
        prediction = torch.func.functional_call(network, dict(zip(names, parts, strict=True)), (batch,))[:, task]
        labelled = ~torch.isnan(batch.y[:, task])
        return pointwise(prediction[labelled] - batch.y[labelled, task]).mean()

    rows = torch.func.jacrev(torch.func.grad(loss), chunk_size=256)
    return rows(torch.cat([parameter.flatten() for parameter in parameters])).detach()


def rotated(eigenvalues: Tensor, seed: int) -> Tensor:
    """Make a symmetric matrix with the stated eigenvalues and random eigenvectors."""
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(len(eigenvalues), len(eigenvalues), dtype=torch.float64, generator=generator)
    vectors = torch.linalg.qr(square).Q
    return vectors @ torch.diag(eigenvalues.double()) @ vectors.T
