"""Standard errors of functions of means, by leaving out one sample at a time; needs numpy alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """An estimate and its standard error, NaN for a single sample."""

    value: float
    standard_error: float


def jackknife(samples: np.ndarray, statistic: Callable[[np.ndarray], float]) -> Estimate:
    """Return a smooth function of the mean of samples, with its jackknife standard error.

    The error is sqrt((n - 1)/n * sum of (s_i - mean s)^2), where s_i is the statistic without sample i; for the mean
    itself it is the usual standard error, and its square overestimates rather than underestimates in
    expectation (Efron and Stein, Ann. Stat. 9, 586, 1981). The value has a bias of order 1/n, below its error.

    Args:
        samples: independent samples, [n] or [n, d].
        statistic: of their mean, a scalar or [d].

    Raises:
        ValueError: if there is no sample.
    """
    n = len(samples)
    if n == 0:
        raise ValueError("an estimate needs at least one sample")
    mean = samples.mean(axis=0)
    if n == 1:
        return Estimate(statistic(mean), float("nan"))
    left_out = np.array([statistic((n * mean - sample) / (n - 1)) for sample in samples])
    return Estimate(statistic(mean), float(jackknife_error(left_out)))


def jackknife_error(left_out: np.ndarray) -> np.ndarray:
    """Return the standard error [...] of an estimate from its values without each of n > 1 samples [n, ...]."""
    return np.sqrt((len(left_out) - 1) * left_out.var(axis=0))
