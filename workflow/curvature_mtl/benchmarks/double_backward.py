"""The double backward that one writes without a package: from scratch for each vector."""

from collections.abc import Sequence

import torch
from torch import Tensor

from curvature_mtl.benchmarks.peer import Peer, Products, TaskLoss, in_parts, joined, n_graphs, with_trunk_alone
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Network


def double_backward(network: Network, batches: Sequence[GraphBatch]) -> Peer:
    """Return products by `torch.autograd.grad` of `torch.autograd.grad`, batch by batch."""

    def prepare(task: int) -> Products:
        own = with_trunk_alone(network)
        parameters, loss, total = list(own.trunk.parameters()), TaskLoss(task), n_graphs(batches)

        def product(vector: Tensor) -> Tensor:
            parts = in_parts(vector, parameters)
            result = torch.zeros_like(vector)
            for batch in batches:
                share = loss(own(batch), batch.y) * (batch.num_graphs / total)
                gradient = torch.autograd.grad(share, parameters, create_graph=True)
                result += joined(torch.autograd.grad(gradient, parameters, parts))
            return result

        return lambda vectors: torch.stack([product(vector) for vector in vectors.T], dim=1)

    return Peer(f"double backward, {batches[0].num_graphs} graphs a batch", prepare)
