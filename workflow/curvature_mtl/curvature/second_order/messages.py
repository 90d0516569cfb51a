"""The gated message passing of `models.gated_conv`."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from curvature_mtl.curvature.second_order.gate import softplus_gate
from curvature_mtl.curvature.second_order.linear import weight_adjoint
from curvature_mtl.curvature.second_order.stage import Stage
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.gated_conv import GatedConv


class MessagesTangent(NamedTuple):
    """Tangents of x [nodes, width], of both node weights [2 width, width], of z and of the gate's derivatives.

    The latter two are [edges, 2, width]; `dfirst_sum` [nodes, 2, width] is the last one summed at the targets.
    """

    dx: Tensor
    dat_target: Tensor
    dat_source: Tensor
    dz: Tensor
    dfirst: Tensor
    dfirst_sum: Tensor


class MessagesAdjoint(NamedTuple):
    """Adjoints of y [nodes, width], and of what nodes send to the edges into and out of them [nodes, 2 width]."""

    y_bar: Tensor
    to_target: Tensor
    to_source: Tensor


class GatedMessages(Stage):
    """y_i = sum over edges j -> i of sigmoid(g) softplus(c), [g, c] = W_i x_i + b + W_j x_j + W_e e_ij.

    All edges into a node have that node's adjoint. So what flows back into x_i needs no pass over edges: it is
    the sum over edges of the gate's derivatives, taken once, times the node's adjoint.
    """

    def __init__(self, layer: GatedConv, x: Tensor, batch: GraphBatch):
        self.x, self.edge_attr = x, batch.edge_attr
        self.source, self.target = batch.edge_index
        self.at_target, self.at_source = layer.at_target.weight, layer.at_source.weight
        z = self._at_edges(layer.at_target(x), layer.at_source(x), layer.at_edge.weight)
        self.gate = softplus_gate(z)
        self.first_sum = self._sum_at(self.target, self.gate.first)
        self.y = self._sum_at(self.target, self.gate.value)

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, MessagesTangent]:
        """See `Stage`."""
        dat_target, dbias, dat_source, dat_edge = dtheta
        to_target = torch.addmm(dbias, dx, self.at_target.T).addmm_(self.x, dat_target.T)
        to_source = (dx @ self.at_source.T).addmm_(self.x, dat_source.T)
        dz = self._at_edges(to_target, to_source, dat_edge)
        dfirst = self.gate.first_moved(dz)
        dfirst_sum = self._sum_at(self.target, dfirst)
        dy = self._sum_at(self.target, self.gate.moved(dz))
        return dy, MessagesTangent(dx, dat_target, dat_source, dz, dfirst, dfirst_sum)

    def second_tangent(self, ddx: Tensor, tangent: MessagesTangent) -> Tensor:
        """See `Stage`."""
        to_target = (ddx @ self.at_target.T).addmm_(tangent.dx, tangent.dat_target.T, alpha=2)
        to_source = (ddx @ self.at_source.T).addmm_(tangent.dx, tangent.dat_source.T, alpha=2)
        ddz = self._gathered(to_target, to_source)
        return self._sum_at(self.target, self.gate.moved_twice(ddz, tangent.dz, tangent.dfirst))

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, MessagesAdjoint]:
        """See `Stage`."""
        to_target = (self.first_sum * y_bar.unsqueeze(1)).flatten(1)
        to_source = self._sum_at(self.source, self._z_bar(y_bar)).flatten(1)
        x_bar = (to_target @ self.at_target).addmm_(to_source, self.at_source)
        return x_bar, MessagesAdjoint(y_bar, to_target, to_source)

    def parameter_adjoints(self, adjoint: MessagesAdjoint) -> list[Tensor]:
        """See `Stage`."""
        y_bar, to_target, to_source = adjoint
        at_target, at_source = (weight_adjoint(sent, self.x) for sent in (to_target, to_source))
        return [at_target, to_target.sum(0), at_source, weight_adjoint(self._z_bar(y_bar).flatten(1), self.edge_attr)]

    def adjoint_tangent(
        self, dy_bar: Tensor, adjoint: MessagesAdjoint, tangent: MessagesTangent
    ) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        y_bar = adjoint.y_bar
        dz_bar = self._z_bar(dy_bar).addcmul_(tangent.dfirst, self._to_edges(y_bar))
        to_target = self.first_sum * dy_bar.unsqueeze(1)
        to_target = to_target.addcmul_(tangent.dfirst_sum, y_bar.unsqueeze(1)).flatten(1)
        to_source = self._sum_at(self.source, dz_bar).flatten(1)
        dx_bar = (to_target @ self.at_target).addmm_(to_source, self.at_source)
        dx_bar.addmm_(adjoint.to_target, tangent.dat_target).addmm_(adjoint.to_source, tangent.dat_source)
        return dx_bar, [
            weight_adjoint(to_target, self.x, adjoint.to_target, tangent.dx),
            to_target.sum(0),
            weight_adjoint(to_source, self.x, adjoint.to_source, tangent.dx),
            weight_adjoint(dz_bar.flatten(1), self.edge_attr),
        ]

    def _at_edges(self, to_target: Tensor, to_source: Tensor, at_edge: Tensor) -> Tensor:
        """Return [g, c] [edges, 2, width], or its tangent, from what the nodes send [nodes, 2 width]."""
        gathered = self._gathered(to_target, to_source)
        return gathered.flatten(1).addmm_(self.edge_attr, at_edge.T).view_as(gathered)

    def _gathered(self, to_target: Tensor, to_source: Tensor) -> Tensor:
        """Return the sum of what target and source of each edge send [edges, 2, width]."""
        both = to_target.index_select(0, self.target).add_(to_source.index_select(0, self.source))
        return both.unflatten(1, (2, -1))

    def _to_edges(self, y_bar: Tensor) -> Tensor:
        """Return the adjoint of each edge's message [edges, 1, width]."""
        return y_bar.index_select(0, self.target).unsqueeze(1)

    def _z_bar(self, y_bar: Tensor) -> Tensor:
        """Return the adjoint of [g, c] [edges, 2, width]."""
        return self.gate.first * self._to_edges(y_bar)

    def _sum_at(self, nodes: Tensor, values: Tensor) -> Tensor:
        """Return the sum of the edges' values at their targets, or at their sources."""
        return values.new_zeros(len(self.x), *values.shape[1:]).index_add_(0, nodes, values)
