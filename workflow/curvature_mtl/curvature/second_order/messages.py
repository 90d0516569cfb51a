"""The gated message passing of `models.gated_conv`."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from curvature_mtl.curvature.second_order.gate import softplus_gate
from curvature_mtl.curvature.second_order.stage import Stage
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.gated_conv import GatedConv


class MessagesTangent(NamedTuple):
    """Tangents of x [nodes, width], of both node weights [4 width, width], of z and of the gate's derivatives.

    The latter two are [edges, 2, width]; `dfirst_sum` [nodes, 2, width] is the last one summed at the targets.
    """

    dx: Tensor
    dweights: Tensor
    dz: Tensor
    dfirst: Tensor
    dfirst_sum: Tensor


class MessagesAdjoint(NamedTuple):
    """Adjoints of y [nodes, width] and of what the nodes send to edges they are targets and sources of."""

    y_bar: Tensor
    sent_bar: Tensor


class GatedMessages(Stage):
    """y_i = sum over edges j -> i of sigmoid(g) softplus(c), [g, c] = W_i x_i + b + W_j x_j + W_e e_ij.

    All edges into a node have that node's adjoint. So what flows back into x_i needs no pass over edges: it is
    the sum over edges of the gate's derivatives, taken once, times the node's adjoint.
    """

    def __init__(self, layer: GatedConv, x: Tensor, batch: GraphBatch):
        self.x, self.edge_attr = x, batch.edge_attr
        self.source, self.target = batch.edge_index
        self.weights = torch.cat([layer.at_target.weight, layer.at_source.weight])
        sent = x @ self.weights.T
        z = self._at_edges(sent, layer.at_edge.weight, layer.at_target.bias)
        self.gate = softplus_gate(z)
        self.first_sum = self._sum_at_targets(self.gate.first)
        self.y = self._sum_at_targets(self.gate.value)

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, MessagesTangent]:
        """See `Stage`."""
        dat_target, dbias, dat_source, dat_edge = dtheta
        dweights = torch.cat([dat_target, dat_source])
        dsent = (dx @ self.weights.T).addmm_(self.x, dweights.T)
        dz = self._at_edges(dsent, dat_edge, dbias)
        dfirst = self.gate.first_moved(dz)
        dy = self._sum_at_targets(self.gate.moved(dz))
        return dy, MessagesTangent(dx, dweights, dz, dfirst, self._sum_at_targets(dfirst))

    def second_tangent(self, ddx: Tensor, tangent: MessagesTangent) -> Tensor:
        """See `Stage`."""
        ddsent = (ddx @ self.weights.T).addmm_(tangent.dx, tangent.dweights.T, alpha=2)
        ddz = self._gathered(ddsent).unflatten(1, (2, -1))
        return self._sum_at_targets(self.gate.moved_twice(ddz, tangent.dz, tangent.dfirst))

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, MessagesAdjoint]:
        """See `Stage`."""
        z_bar = self.gate.first * self._to_edges(y_bar)
        sent_bar = self._sent(self.first_sum * y_bar.unsqueeze(1), z_bar)
        return sent_bar @ self.weights, MessagesAdjoint(y_bar, sent_bar)

    def parameter_adjoints(self, adjoint: MessagesAdjoint) -> list[Tensor]:
        """See `Stage`."""
        z_bar = self.gate.first * self._to_edges(adjoint.y_bar)
        return self._parts(adjoint.sent_bar.T @ self.x, adjoint.sent_bar, z_bar)

    def adjoint_tangent(
        self, dy_bar: Tensor, adjoint: MessagesAdjoint, tangent: MessagesTangent
    ) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        y_bar = adjoint.y_bar
        dz_bar = (self.gate.first * self._to_edges(dy_bar)).addcmul_(tangent.dfirst, self._to_edges(y_bar))
        to_targets = (self.first_sum * dy_bar.unsqueeze(1)).addcmul_(tangent.dfirst_sum, y_bar.unsqueeze(1))
        dsent_bar = self._sent(to_targets, dz_bar)
        dx_bar = (dsent_bar @ self.weights).addmm_(adjoint.sent_bar, tangent.dweights)
        dweights_bar = (dsent_bar.T @ self.x).addmm_(adjoint.sent_bar.T, tangent.dx)
        return dx_bar, self._parts(dweights_bar, dsent_bar, dz_bar)

    def _gathered(self, sent: Tensor) -> Tensor:
        """Return the sum of what target and source send [edges, 2 width], from both [nodes, 4 width]."""
        to_target, to_source = sent.chunk(2, dim=1)
        return to_target.index_select(0, self.target).add_(to_source.index_select(0, self.source))

    def _at_edges(self, sent: Tensor, at_edge: Tensor, bias: Tensor) -> Tensor:
        """Return [g, c] [edges, 2, width], or its tangent."""
        return self._gathered(sent).addmm_(self.edge_attr, at_edge.T).add_(bias).unflatten(1, (2, -1))

    def _to_edges(self, y_bar: Tensor) -> Tensor:
        """Return the adjoint of each edge's message [edges, 1, width]."""
        return y_bar.index_select(0, self.target).unsqueeze(1)

    def _sum_at_targets(self, values: Tensor) -> Tensor:
        return values.new_zeros(len(self.x), *values.shape[1:]).index_add_(0, self.target, values)

    def _sent(self, to_targets: Tensor, z_bar: Tensor) -> Tensor:
        """Return the adjoint of what the nodes send [nodes, 4 width]."""
        nodes, width = len(self.x), z_bar[0].numel() if len(z_bar) else to_targets[0].numel()
        sent_bar = z_bar.new_zeros(nodes, 2 * width)
        sent_bar[:, :width] = to_targets.flatten(1)
        sent_bar[:, width:].index_add_(0, self.source, z_bar.flatten(1))
        return sent_bar

    def _parts(self, weights_bar: Tensor, sent_bar: Tensor, z_bar: Tensor) -> list[Tensor]:
        """Return the adjoints of at_target.weight, at_target.bias, at_source.weight and at_edge.weight."""
        at_target, at_source = weights_bar.chunk(2)
        bias = sent_bar[:, : len(at_target)].sum(0)
        return [at_target, bias, at_source, z_bar.flatten(1).T @ self.edge_attr]
