"""Means over the nodes of each graph, and back: the sums of a batch that couple nodes of one graph."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from curvature_mtl.curvature.second_order.gate import linear_gate
from curvature_mtl.curvature.second_order.linear import weight_adjoint
from curvature_mtl.curvature.second_order.stage import Stage
from curvature_mtl.graphs.batches import GraphBatch


class Pooling:
    """Sums and means over each graph's nodes, [nodes, d] to [graphs, d], and copies from graphs to nodes."""

    def __init__(self, batch: GraphBatch):
        self._graph, self._n_graphs = batch.batch, batch.num_graphs
        self._count = torch.bincount(batch.batch, minlength=batch.num_graphs).clamp(min=1).to(batch.x).unsqueeze(1)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over each graph's nodes."""
        return values.new_zeros(self._n_graphs, values.shape[1]).index_add_(0, self._graph, values)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over each graph's nodes."""
        return self.sum(values).div_(self._count)

    def mean_adjoint(self, mean_bar: Tensor) -> Tensor:
        """Return the adjoint of the nodes' values for that of their mean."""
        return self.copy(mean_bar / self._count)

    def copy(self, values: Tensor) -> Tensor:
        """Return each node's graph's row."""
        return values.index_select(0, self._graph)


class MeanTangent(NamedTuple):
    """Tangents of the graphs' means [graphs, width] and of the weight."""

    dmean: Tensor
    dweight: Tensor


class FromMean(Stage):
    """y = (mean of x over the node's graph) W' + b."""

    def __init__(self, layer: nn.Linear, x: Tensor, pooling: Pooling):
        self.pooling, self.weight = pooling, layer.weight
        self.mean = pooling.mean(x)
        self.y = pooling.copy(layer(self.mean))

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, MeanTangent]:
        """See `Stage`."""
        dweight, dbias = dtheta
        dmean = self.pooling.mean(dx)
        dz = torch.addmm(dbias, dmean, self.weight.T).addmm_(self.mean, dweight.T)
        return self.pooling.copy(dz), MeanTangent(dmean, dweight)

    def second_tangent(self, ddx: Tensor, tangent: MeanTangent) -> Tensor:
        """See `Stage`."""
        ddz = (self.pooling.mean(ddx) @ self.weight.T).addmm_(tangent.dmean, tangent.dweight.T, alpha=2)
        return self.pooling.copy(ddz)

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, Tensor]:
        """Return x_bar and the adjoint of the graphs' rows."""
        z_bar = self.pooling.sum(y_bar)
        return self.pooling.mean_adjoint(z_bar @ self.weight), z_bar

    def parameter_adjoints(self, adjoint: Tensor) -> list[Tensor]:
        """See `Stage`."""
        return [weight_adjoint(adjoint, self.mean), adjoint.sum(0)]

    def adjoint_tangent(self, dy_bar: Tensor, adjoint: Tensor, tangent: MeanTangent) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        dz_bar = self.pooling.sum(dy_bar)
        dmean_bar = (dz_bar @ self.weight).addmm_(adjoint, tangent.dweight)
        dweight_bar = weight_adjoint(dz_bar, self.mean, adjoint, tangent.dmean)
        return self.pooling.mean_adjoint(dmean_bar), [dweight_bar, dz_bar.sum(0)]


class PoolTangent(NamedTuple):
    """Tangents of x [nodes, width], of the weight, of z = [g, c] and of the gate's derivatives [nodes, 2, out]."""

    dx: Tensor
    dweight: Tensor
    dz: Tensor
    dfirst: Tensor


class PoolAdjoint(NamedTuple):
    """Adjoints of the gated values [nodes, 1, out] and of z [nodes, 2 out]."""

    value_bar: Tensor
    z_bar: Tensor


class GatedPool(Stage):
    """y = mean over the graph's nodes of sigmoid(g) c, [g, c] = x W' + b."""

    def __init__(self, layer: nn.Linear, x: Tensor, pooling: Pooling):
        self.x, self.weight, self.pooling = x, layer.weight, pooling
        self.gate = linear_gate(_halves(layer(x)))
        self.y = pooling.mean(self.gate.value)

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, PoolTangent]:
        """See `Stage`."""
        dweight, dbias = dtheta
        dz = _halves(torch.addmm(dbias, dx, self.weight.T).addmm_(self.x, dweight.T))
        return self.pooling.mean(self.gate.moved(dz)), PoolTangent(dx, dweight, dz, self.gate.first_moved(dz))

    def second_tangent(self, ddx: Tensor, tangent: PoolTangent) -> Tensor:
        """See `Stage`."""
        ddz = _halves((ddx @ self.weight.T).addmm_(tangent.dx, tangent.dweight.T, alpha=2))
        return self.pooling.mean(self.gate.moved_twice(ddz, tangent.dz, tangent.dfirst))

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, PoolAdjoint]:
        """See `Stage`."""
        value_bar = self.pooling.mean_adjoint(y_bar).unsqueeze(1)
        z_bar = (self.gate.first * value_bar).flatten(1)
        return z_bar @ self.weight, PoolAdjoint(value_bar, z_bar)

    def parameter_adjoints(self, adjoint: PoolAdjoint) -> list[Tensor]:
        """See `Stage`."""
        return [weight_adjoint(adjoint.z_bar, self.x), adjoint.z_bar.sum(0)]

    def adjoint_tangent(
        self, dy_bar: Tensor, adjoint: PoolAdjoint, tangent: PoolTangent
    ) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        dvalue_bar = self.pooling.mean_adjoint(dy_bar).unsqueeze(1)
        dz_bar = (self.gate.first * dvalue_bar).addcmul_(tangent.dfirst, adjoint.value_bar).flatten(1)
        dx_bar = (dz_bar @ self.weight).addmm_(adjoint.z_bar, tangent.dweight)
        return dx_bar, [weight_adjoint(dz_bar, self.x, adjoint.z_bar, tangent.dx), dz_bar.sum(0)]


def _halves(z: Tensor) -> Tensor:
    return z.unflatten(1, (2, -1))
