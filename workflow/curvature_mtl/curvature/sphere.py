"""Hutchinson's estimator with probes on the sphere, whose variance the products themselves tell."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def sphere(p: int, n: int, seed: int, first: int = 0) -> Tensor:
    """Return probes number `first` to first + n - 1, uniform on the sphere of radius sqrt(p), float64 [n, p].

    Probe k has a generator of its own, seeded by (seed, k), as with `trace.rademacher`.
    """
    normal = [np.random.default_rng([seed, k]).standard_normal(p) for k in range(first, first + n)]
    return on_sphere(torch.tensor(np.array(normal).reshape(n, p)).T, p).T


def on_sphere(vectors: Tensor, dimensions: int) -> Tensor:
    """Return the columns of `vectors` [p, n] with length sqrt(dimensions); columns of zeros stay as they are."""
    lengths = torch.linalg.vector_norm(vectors, dim=0)
    return vectors * (math.sqrt(dimensions) / torch.where(lengths > 0, lengths, 1))


@dataclass(frozen=True, eq=False)
class SphereSamples:
    """What n probes w, uniform on the sphere of radius sqrt(q) in q dimensions, say of the trace of B.

    w . B w is unbiased for tr B, and its variance is exactly twice the mean of |B w - (w . B w / q) w|^2: both are
    2q / (q + 2) (|B|_F^2 - (tr B)^2 / q), by the moments of the sphere. So each product tells the variance without
    bias, too, with much less scatter than the square of one sample's deviation from the others' mean.

    Attributes:
        values: w . B w [n].
        spreads: |B w - (w . B w / q) w|^2 [n].
    """

    values: Tensor
    spreads: Tensor

    @classmethod
    def of_products(cls, probes: Tensor, products: Tensor, dimensions: int) -> "SphereSamples":
        """Take probes w and products B w, both [p, n], of a space of q = `dimensions`."""
        values = (probes * products).sum(0)
        return cls(values, (products - probes * (values / dimensions)).square().sum(0))

    def __len__(self) -> int:
        return len(self.values)

    def and_also(self, others: "SphereSamples") -> "SphereSamples":
        """Return these samples and the others."""
        return SphereSamples(torch.cat([self.values, others.values]), torch.cat([self.spreads, others.spreads]))

    def mean(self) -> float:
        """Return the estimate of the trace."""
        return float(self.values.mean())

    def standard_error(self) -> float:
        """Return its standard error, whose square is unbiased; a single probe has one, too."""
        return math.sqrt(2 * float(self.spreads.mean()) / len(self))

    def degrees_of_freedom(self) -> float:
        """Return those of the squared standard error: 2 mean^2 / variance of the mean of `spreads` (Satterthwaite).

        At least n, which is what a single eigenvalue above all others gives: its spreads are chi^2 with one each.
        """
        n = len(self)
        if n == 1 or not self.spreads.any():
            return float(n)
        mean, variance = float(self.spreads.mean()), float(self.spreads.var()) / n
        return max(2 * mean**2 / variance, n) if variance > 0 else math.inf
