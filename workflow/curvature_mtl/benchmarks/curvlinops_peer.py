"""curvlinops (Dangel, Eschenhagen, Weber and others): forward over reverse, vectorised over a block of vectors."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import torch
from curvlinops import HessianLinearOperator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from curvature_mtl.benchmarks.peer import Peer, Products, n_graphs, with_trunk_alone
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Network

NAME = f"curvlinops {version('curvlinops-for-pytorch')}"


class SiluByHand(TorchFunctionMode):
    """Within it, silu(x) is x * sigmoid(x): torch has no forward derivative of silu's own backward, and raises."""

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.silu:
            return args[0] * torch.sigmoid(args[0])
        return func(*args, **(kwargs or {}))


class Model(nn.Module):
    """One task's predictions [graphs] of a network that takes the fields of a batch as a dictionary."""

    def __init__(self, network: Network, task: int):
        super().__init__()
        self.network, self.task = with_trunk_alone(network), task

    def forward(self, fields: dict[str, Any]) -> Tensor:
        with SiluByHand():
            return self.network(GraphBatch(**fields))[:, self.task]


def curvlinops(network: Network, batches: Sequence[GraphBatch]) -> Peer:
    """Return products of its Hessian operator, all vectors of a block at once.

    They are wrong for a network with an affine LayerNorm: see tests/benchmarks/test_curvlinops_peer.py.
    """

    def prepare(task: int) -> Products:
        model = Model(network, task)
        operator = HessianLinearOperator(
            model,
            nn.MSELoss(),
            list(model.network.trunk.parameters()),
            [(vars(batch), batch.y[:, task]) for batch in batches],
            num_data=n_graphs(batches),
            batch_size_fn=lambda fields: fields["num_graphs"],
            check_deterministic=False,
        )
        return lambda vectors: (operator @ vectors).detach()

    return Peer(f"{NAME}, block of vectors, {batches[0].num_graphs} graphs a batch", prepare)
