"""Products of two activations, first derivatives and second ones: sigmoid(g) softplus(c) and sigmoid(g) c."""

import torch
from torch import Tensor
from torch.nn import functional as F


class Gate:
    """f(z) = sigmoid(g) a(c) elementwise for z = [g, c], [n, 2, width].

    Attributes:
        value: f [n, width].
        first: its derivatives in g and in c [n, 2, width].
        second: its second derivatives in gg, gc and cc, each [n, width].
    """

    def __init__(self, g: Tensor, value: Tensor, first: Tensor, second: Tensor):
        """Take a(c), a'(c) and a''(c), each [n, width]."""
        s = torch.sigmoid(g)
        slope = s * (1 - s)
        self.value = s * value
        self.first = torch.stack([slope * value, s * first], dim=1)
        self.second = slope * (1 - 2 * s) * value, slope * first, s * second

    def first_moved(self, dz: Tensor) -> Tensor:
        """Return the tangent [n, 2, width] of `first` for that of z."""
        dg, dc = dz.unbind(1)
        gg, gc, cc = self.second
        moved = torch.empty_like(dz)
        torch.mul(gg, dg, out=moved[:, 0]).addcmul_(gc, dc)
        torch.mul(gc, dg, out=moved[:, 1]).addcmul_(cc, dc)
        return moved

    def moved(self, dz: Tensor) -> Tensor:
        """Return the tangent [n, width] of `value` for that of z."""
        return torch.mul(self.first[:, 0], dz[:, 0]).addcmul_(self.first[:, 1], dz[:, 1])

    def moved_twice(self, ddz: Tensor, dz: Tensor, first_moved: Tensor) -> Tensor:
        """Return the second tangent [n, width] of `value`."""
        return self.moved(ddz).addcmul_(first_moved[:, 0], dz[:, 0]).addcmul_(first_moved[:, 1], dz[:, 1])


def softplus_gate(z: Tensor) -> Gate:
    """Return sigmoid(g) softplus(c) for z [n, 2, width]."""
    g, c = z.unbind(1)
    s = torch.sigmoid(c)
    return Gate(g, F.softplus(c), s, s * (1 - s))


def linear_gate(z: Tensor) -> Gate:
    """Return sigmoid(g) c for z [n, 2, width]."""
    g, c = z.unbind(1)
    return Gate(g, c, torch.ones_like(c), torch.zeros_like(c))
