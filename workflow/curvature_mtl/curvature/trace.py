"""The trace of an operator from random probes, with its standard error."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor

from curvature_mtl.curvature.operator import SymmetricOperator


@dataclass(frozen=True)
class TraceEstimate:
    """An estimated trace, how far to trust it, and what it took.

    Attributes:
        value: the estimate.
        standard_error: estimated standard deviation of `value`; NaN if there is a single probe.
        n_products: products with the operator, all of them.
        n_probes: independent samples behind `standard_error`.
        method: "hutchinson", "hutchplusplus" or "xtrace".
        seed: of the probes; None if they were given.
        degrees_of_freedom: of the squared standard error; None for n_probes - 1.
    """

    value: float
    standard_error: float
    n_products: int
    n_probes: int
    method: str = "hutchinson"
    seed: int | None = None
    degrees_of_freedom: float | None = None

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return value -+ standard_error * quantile of Student's t with that many degrees of freedom.

        The coverage is checked in tests/curvature. It is lower for Hutchinson's estimator with signs where one
        eigenvalue is above all others: samples are then skew (chi^2 with one degree of freedom), and 12 of them give
        88 % instead of 95 %.

        Raises:
            ValueError: if `confidence` is not between 0 and 1.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
        freedom = self.n_probes - 1 if self.degrees_of_freedom is None else self.degrees_of_freedom
        # Without a degree of freedom the quantile is NaN; with infinitely many it is that of the normal distribution.
        half = float(stdtrit(freedom, (1 + confidence) / 2)) * self.standard_error
        return self.value - half, self.value + half


def rademacher(p: int, n: int, seed: int) -> Tensor:
    """Return `n` probes of independent signs, float64 [n, p].

    Probe k has a generator of its own, seeded by (seed, k): it is the same for every `n`, so more probes may
    be added to a study, and one set may be shared by all tasks.
    """
    signs = [2 * np.random.default_rng([seed, k]).integers(2, size=p) - 1 for k in range(n)]
    return torch.tensor(np.array(signs, dtype=np.float64).reshape(n, p))


def hutchinson_trace(operator: SymmetricOperator, probes: Tensor) -> TraceEstimate:
    """Estimate the trace as the mean of v . H v over the probes v [n, p]; unbiased.

    Source: Hutchinson, Commun. Stat. Simul. 18, 1059, 1989. For probes of signs the error comes from the
    off-diagonal part alone: a diagonal operator's trace is exact from one probe. For probes on the sphere,
    `sphere.SphereSamples` knows the error better.

    Raises:
        ValueError: if there is no probe.
    """
    if len(probes) == 0:
        raise ValueError("a trace estimate needs at least one probe")
    return trace_of_products(probes, operator @ probes.T)


def trace_of_products(probes: Tensor, products: Tensor) -> TraceEstimate:
    """Return Hutchinson's estimate from probes v [n, p] and their products H v [p, n]."""
    value, error = mean_and_error((probes.T * products).sum(0))
    return TraceEstimate(value, error, n_products=len(probes), n_probes=len(probes))


def mean_and_error(samples: Tensor) -> tuple[float, float]:
    """Return the mean of independent samples [n] and its standard error, NaN for a single one."""
    n = len(samples)
    error = float(samples.std()) / math.sqrt(n) if n > 1 else math.nan
    return float(samples.mean()), error
