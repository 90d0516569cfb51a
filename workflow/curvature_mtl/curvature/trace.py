"""The trace of an operator from random probes, with its standard error."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from curvature_mtl.curvature.operator import SymmetricOperator


@dataclass(frozen=True)
class TraceEstimate:
    """An estimated trace, its standard error over probes (NaN for one probe), and the products it took."""

    value: float
    standard_error: float
    n_products: int


def rademacher(p: int, n: int, seed: int) -> Tensor:
    """Return `n` probes of independent signs, float64 [n, p].

    Probe k has a generator of its own, seeded by (seed, k): it is the same for every `n`, so more probes may
    be added to a study, and one set may be shared by all tasks.
    """
    signs = [2 * np.random.default_rng([seed, k]).integers(2, size=p) - 1 for k in range(n)]
    return torch.tensor(np.array(signs, dtype=np.float64).reshape(n, p))


def hutchinson_trace(operator: SymmetricOperator, probes: Tensor) -> TraceEstimate:
    """Estimate the trace as the mean of v . H v over the probes v [n, p].

    Source: Hutchinson, Commun. Stat. Simul. 18, 1059, 1989. The error comes from the off-diagonal part alone:
    a diagonal operator's trace is exact from one probe of signs.

    Raises:
        ValueError: if there is no probe.
    """
    n = len(probes)
    if n == 0:
        raise ValueError("a trace estimate needs at least one probe")
    samples = (probes.T * (operator @ probes.T)).sum(0)
    error = float(samples.std()) / math.sqrt(n) if n > 1 else math.nan
    return TraceEstimate(float(samples.mean()), error, n)
