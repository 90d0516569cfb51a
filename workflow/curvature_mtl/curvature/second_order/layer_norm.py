"""LayerNorm: y = gamma (x - mean x) r + beta, r = 1 / sqrt(var x + eps), over the last dimension."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from curvature_mtl.curvature.second_order.stage import Stage


class NormTangent(NamedTuple):
    """Tangents of x and of the normalised x [n, width], the relative one of r [n, 1], and that of gamma [width]."""

    dx: Tensor
    dhat: Tensor
    dlog_r: Tensor
    dgamma: Tensor


class NormAdjoint(NamedTuple):
    """Adjoints of y and of the normalised x [n, width]."""

    y_bar: Tensor
    hat_bar: Tensor


class LayerNorm(Stage):
    """`torch.nn.LayerNorm` over the last dimension, with gamma and beta.

    The derivative of the normalised x-hat = (x - mean x) r along dx is r P dx with the symmetric
    P g = g - mean g - x_hat mean(x_hat g); that of r is -r^2 mean(x_hat dx).
    """

    def __init__(self, layer: nn.LayerNorm, x: Tensor):
        self.gamma = layer.weight
        variance, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        self.r = torch.rsqrt(variance + layer.eps)
        self.hat = (x - mean) * self.r
        self.y = torch.addcmul(layer.bias, self.hat, self.gamma)

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, NormTangent]:
        """See `Stage`."""
        dgamma, dbeta = dtheta
        dhat = self.r * self._project(dx)
        dlog_r = -self.r * _mean(self.hat * dx)
        dy = torch.addcmul(dbeta, dhat, self.gamma).addcmul_(self.hat, dgamma)
        return dy, NormTangent(dx, dhat, dlog_r, dgamma)

    def second_tangent(self, ddx: Tensor, tangent: NormTangent) -> Tensor:
        """See `Stage`."""
        ddhat = self._moved(tangent.dx, ddx, tangent)
        return self.gamma * ddhat + 2 * tangent.dgamma * tangent.dhat

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, NormAdjoint]:
        """See `Stage`."""
        hat_bar = self.gamma * y_bar
        return self.r * self._project(hat_bar), NormAdjoint(y_bar, hat_bar)

    def parameter_adjoints(self, adjoint: NormAdjoint) -> list[Tensor]:
        """See `Stage`."""
        return [(adjoint.y_bar * self.hat).sum(0), adjoint.y_bar.sum(0)]

    def adjoint_tangent(
        self, dy_bar: Tensor, adjoint: NormAdjoint, tangent: NormTangent
    ) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        dhat_bar = torch.addcmul(self.gamma * dy_bar, adjoint.y_bar, tangent.dgamma)
        dgamma_bar = torch.addcmul(dy_bar * self.hat, adjoint.y_bar, tangent.dhat).sum(0)
        return self._moved(adjoint.hat_bar, dhat_bar, tangent), [dgamma_bar, dy_bar.sum(0)]

    def _project(self, g: Tensor) -> Tensor:
        """Return P g."""
        return (g - _mean(g)).addcmul_(self.hat, _mean(self.hat * g), value=-1)

    def _moved(self, g: Tensor, dg: Tensor, tangent: NormTangent) -> Tensor:
        """Return the derivative of r P g along the tangent, for a g that moves by dg."""
        inner = _mean(self.hat * g)
        # r P (dg + dlog_r g) has both terms without a derivative of P.
        both = torch.addcmul(dg, tangent.dlog_r, g)
        mean_of_dhat = _mean(tangent.dhat * g)
        moved = both - _mean(both)
        moved.addcmul_(self.hat, _mean(self.hat * both) + mean_of_dhat, value=-1)
        return moved.addcmul_(tangent.dhat, inner, value=-1).mul_(self.r)


def _mean(values: Tensor) -> Tensor:
    return values.mean(-1, keepdim=True)
