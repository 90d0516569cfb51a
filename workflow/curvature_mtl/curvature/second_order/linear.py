"""y = x W' + b, and the same followed by SiLU."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from curvature_mtl.curvature.second_order.stage import Stage


class LinearTangent(NamedTuple):
    """Tangents of the input [n, in], of the weight, and of the linear output [n, out]."""

    dx: Tensor
    dweight: Tensor
    dz: Tensor


class LinearAdjoint(NamedTuple):
    """Adjoints of the output y [n, out] and of the linear output z [n, out]."""

    y_bar: Tensor
    z_bar: Tensor


class Embedding(Stage):
    """y = x W' + b for an x that depends on no parameter."""

    def __init__(self, layer: nn.Linear, x: Tensor):
        self.x = x
        self.y = layer(x)

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, None]:
        """See `Stage`; `dx` is not looked at."""
        dweight, dbias = dtheta
        return torch.addmm(dbias, self.x, dweight.T), None

    def second_tangent(self, ddx: Tensor, tangent: None) -> Tensor:
        """Return zeros: y is linear in the parameters."""
        return torch.zeros_like(self.y)

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, Tensor]:
        """Return y_bar twice: x has no use for an adjoint."""
        return y_bar, y_bar

    def parameter_adjoints(self, adjoint: Tensor) -> list[Tensor]:
        """See `Stage`."""
        return [weight_adjoint(adjoint, self.x), adjoint.sum(0)]

    def adjoint_tangent(self, dy_bar: Tensor, adjoint: Tensor, tangent: None) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        return dy_bar, self.parameter_adjoints(dy_bar)


class SiluDense(Stage):
    """y = SiLU(z), z = x W' + b."""

    def __init__(self, layer: nn.Linear, x: Tensor):
        self.x, self.weight = x, layer.weight
        z = layer(x)
        s = torch.sigmoid(z)
        self.y = z * s
        slope = s * (1 - s)
        self.first = s + z * slope
        self.second = slope * (2 + z * (1 - 2 * s))

    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, LinearTangent]:
        """See `Stage`."""
        dweight, dbias = dtheta
        dz = torch.addmm(dbias, dx, self.weight.T).addmm_(self.x, dweight.T)
        return self.first * dz, LinearTangent(dx, dweight, dz)

    def second_tangent(self, ddx: Tensor, tangent: LinearTangent) -> Tensor:
        """See `Stage`."""
        ddz = (ddx @ self.weight.T).addmm_(tangent.dx, tangent.dweight.T, alpha=2)
        return self.first * ddz + self.second * tangent.dz.square()

    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, LinearAdjoint]:
        """See `Stage`."""
        z_bar = self.first * y_bar
        return z_bar @ self.weight, LinearAdjoint(y_bar, z_bar)

    def parameter_adjoints(self, adjoint: LinearAdjoint) -> list[Tensor]:
        """See `Stage`."""
        return [weight_adjoint(adjoint.z_bar, self.x), adjoint.z_bar.sum(0)]

    def adjoint_tangent(
        self, dy_bar: Tensor, adjoint: LinearAdjoint, tangent: LinearTangent
    ) -> tuple[Tensor, list[Tensor]]:
        """See `Stage`."""
        dz_bar = self.first * dy_bar + self.second * tangent.dz * adjoint.y_bar
        dx_bar = (dz_bar @ self.weight).addmm_(adjoint.z_bar, tangent.dweight)
        return dx_bar, [weight_adjoint(dz_bar, self.x, adjoint.z_bar, tangent.dx), dz_bar.sum(0)]


def weight_adjoint(z_bar: Tensor, x: Tensor, *more: Tensor) -> Tensor:
    """Return z_bar' x, the adjoint [out, in] of the weight in z = x W', plus the same of a further pair.

    Taken as (x' z_bar)': the same product is up to six times as slow the other way round where x is narrow.
    """
    product = x.T @ z_bar
    if more:
        product.addmm_(more[1].T, more[0])
    return product.T
