"""The whole trunk of `models.network` as a chain of stages, for one batch of graphs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from curvature_mtl.curvature.second_order.layer_norm import LayerNorm
from curvature_mtl.curvature.second_order.linear import Embedding, SiluDense
from curvature_mtl.curvature.second_order.messages import GatedMessages
from curvature_mtl.curvature.second_order.pooling import FromMean, GatedPool, Pooling
from curvature_mtl.curvature.second_order.stage import Stage
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Layer, Trunk


class LayerState(NamedTuple):
    """What the parts of a layer keep."""

    norm: Any
    messages: Any
    from_mean: Any


class ResidualLayer(Stage):
    """y = x + messages(n) + from_mean(n), n = norm(x)."""

    def __init__(self, layer: Layer, x: Tensor, batch: GraphBatch, pooling: Pooling):
        self.norm = LayerNorm(layer.norm, x)
        self.messages = GatedMessages(layer.conv, self.norm.y, batch)
        self.from_mean = FromMean(layer.from_mean, self.norm.y, pooling)
        self.y = x + self.messages.y + self.from_mean.y

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, LayerState]:
        """See `Stage`."""
        dn, norm = self.norm.tangent(dx, dtheta[:2])
        dmessages, messages = self.messages.tangent(dn, dtheta[2:6])
        dmean, from_mean = self.from_mean.tangent(dn, dtheta[6:])
        return dmessages.add_(dmean).add_(dx), LayerState(norm, messages, from_mean)

    def second_tangent(self, ddx: Tensor, tangent: LayerState) -> Tensor:
        """See `Stage`."""
        ddn = self.norm.second_tangent(ddx, tangent.norm)
        ddy = self.messages.second_tangent(ddn, tangent.messages)
        return ddy.add_(self.from_mean.second_tangent(ddn, tangent.from_mean)).add_(ddx)

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, LayerState]:
        """See `Stage`."""
        n_bar, messages = self.messages.adjoint(y_bar)
        mean_bar, from_mean = self.from_mean.adjoint(y_bar)
        x_bar, norm = self.norm.adjoint(n_bar.add_(mean_bar))
        return x_bar.add_(y_bar), LayerState(norm, messages, from_mean)

    def parameter_adjoints(self, adjoint: LayerState) -> list[Tensor]:
        """See `Stage`."""
        return [
            *self.norm.parameter_adjoints(adjoint.norm),
            *self.messages.parameter_adjoints(adjoint.messages),
            *self.from_mean.parameter_adjoints(adjoint.from_mean),
        ]

    def adjoint_tangent(self, dy_bar: Tensor, adjoint: LayerState, tangent: LayerState) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        dn_bar, of_messages = self.messages.adjoint_tangent(dy_bar, adjoint.messages, tangent.messages)
        dmean_bar, of_mean = self.from_mean.adjoint_tangent(dy_bar, adjoint.from_mean, tangent.from_mean)
        dx_bar, of_norm = self.norm.adjoint_tangent(dn_bar.add_(dmean_bar), adjoint.norm, tangent.norm)
        return dx_bar.add_(dy_bar), [*of_norm, *of_messages, *of_mean]


class TrunkChain:
    """The stages of a trunk at one batch, in the order of `trunk.parameters()`.

    Attributes:
        u: the representation [graphs, d].
    """

    def __init__(self, trunk: Trunk, batch: GraphBatch):
        """Compute all values; to be called without gradients being recorded."""
        pooling = Pooling(batch)
        stages: list[Stage] = [Embedding(trunk.embedding, batch.x)]
        modules: list[nn.Module] = [trunk.embedding]
        for layer in trunk.layers:
            assert isinstance(layer, Layer)
            stages.append(ResidualLayer(layer, stages[-1].y, batch, pooling))
            modules.append(layer)
        stages.append(LayerNorm(trunk.norm, stages[-1].y))
        stages.append(GatedPool(trunk.pool, stages[-1].y, pooling))
        modules += [trunk.norm, trunk.pool]
        for dense in trunk.dense:
            assert isinstance(dense, nn.Linear)
            stages.append(SiluDense(dense, stages[-1].y))
            modules.append(dense)
        self._stages = stages
        self._shapes = [[parameter.shape for parameter in module.parameters()] for module in modules]
        self._x = batch.x
        self.u = stages[-1].y

    def tangent(self, vector: Tensor) -> tuple[Tensor, list[Any]]:
        """Return the derivative of u [graphs, d] along a vector [p], and what each stage keeps of it."""
        dx, kept = self._x, []
        for stage, dtheta in zip(self._stages, self._per_stage(vector), strict=True):
            dx, tangent = stage.tangent(dx, dtheta)
            kept.append(tangent)
        return dx, kept

    def second_tangent(self, tangents: list[Any]) -> Tensor:
        """Return the second derivative of u [graphs, d] along the vector of the tangents."""
        ddx = self._x
        for stage, tangent in zip(self._stages, tangents, strict=True):
            ddx = stage.second_tangent(ddx, tangent)
        return ddx

    def adjoint(self, u_bar: Tensor) -> list[Any]:
        """Return what each stage keeps of the adjoints that belong to u_bar [graphs, d]."""
        kept = []
        for stage in reversed(self._stages):
            u_bar, adjoint = stage.adjoint(u_bar)
            kept.append(adjoint)
        return kept[::-1]

    def gradient(self, adjoints: list[Any]) -> Tensor:
        """Return the gradient [p] of the adjoints."""
        stages = zip(self._stages, adjoints, strict=True)
        return _joined([part for stage, adjoint in stages for part in stage.parameter_adjoints(adjoint)])

    def gradient_tangent(self, du_bar: Tensor, adjoints: list[Any], tangents: list[Any]) -> Tensor:
        """Return the derivative [p] of the gradient along the tangents' vector, du_bar being that of u_bar."""
        parts: list[Tensor] = []
        for stage, adjoint, tangent in zip(*map(reversed, (self._stages, adjoints, tangents)), strict=True):
            du_bar, of_stage = stage.adjoint_tangent(du_bar, adjoint, tangent)
            parts = [*of_stage, *parts]
        return _joined(parts)

    def _per_stage(self, vector: Tensor) -> list[list[Tensor]]:
        sizes = [shape.numel() for shapes in self._shapes for shape in shapes]
        parts = iter(vector.split(sizes))
        return [[next(parts).view(shape) for shape in shapes] for shapes in self._shapes]


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])
