"""What is asked of a peer, and vectors in the form that peers take: one tensor a parameter."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Network

# Of vectors [p, k]: their products [p, k] with one task's Hessian.
Products = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Peer:
    """Another way to multiply by one task's Hessian.

    Attributes:
        name: package, version and mode.
        prepare: of a task's number: build what all its products share, and return how to make them.
    """

    name: str
    prepare: Callable[[int], Products]


class TaskLoss(nn.Module):
    """Mean squared error of one task, of predictions and targets [graphs, tasks]."""

    def __init__(self, task: int):
        super().__init__()
        self.task = task

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions[:, self.task] - targets[:, self.task]).square().mean()


def with_trunk_alone(network: Network) -> Network:
    """Return a copy whose trunk alone has parameters that ask for gradients."""
    copied = copy.deepcopy(network)
    copied.heads.requires_grad_(False)
    return copied


def in_parts(vector: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return a vector [p] as one tensor a parameter."""
    parts = vector.split([parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Return one tensor a parameter as a vector [p]."""
    return torch.cat([part.reshape(-1) for part in parts])


def n_graphs(batches: Sequence[GraphBatch]) -> int:
    """Return the number of graphs in all batches."""
    return sum(batch.num_graphs for batch in batches)
