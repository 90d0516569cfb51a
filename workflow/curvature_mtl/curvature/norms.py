"""Sizes of an operator: its Frobenius norm, and what the quadratures of its spectrum say of its eigenvalues.

All but `frobenius_norm` take the quadratures of `spectral_density.slq`, one a probe: Ritz values theta and weights w,
as arrays. The mean over probes of sum_i w_i f(theta_i) estimates the sum over eigenvalues of f(lambda) / p: without
bias where f is a polynomial of degree 2m - 1 at most, for m Lanczos steps. |lambda| is none, and has an error of the
quadrature too; it falls with m, and is not in the standard errors, which come from the scatter of the probes.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from curvature_mtl.curvature.jackknife import Estimate, jackknife
from curvature_mtl.curvature.operator import SymmetricOperator


def frobenius_norm(operator: SymmetricOperator, probes: Tensor) -> Estimate:
    """Estimate |H|_F as the root of the mean of |H v|^2 over the probes v [n, p], with its jackknife error.

    The mean of |H v|^2 is unbiased for |H|_F^2 = tr H^2 for all probes with E[v v^T] = I: it is Hutchinson's
    estimator for H^2. The root is biased by its relative variance / 8 or so, well below its error.

    Raises:
        ValueError: if there is no probe.
    """
    return frobenius_norm_of_products(operator @ probes.T)


def frobenius_norm_of_products(products: Tensor) -> Estimate:
    """Return what `frobenius_norm` returns from products H v [p, n] that are already there."""
    return jackknife(products.square().sum(0).numpy(), lambda mean: math.sqrt(mean))


def spectral_moments(
    ritz_values: Sequence[np.ndarray], weights: Sequence[np.ndarray], highest: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments tr H^d / p for d = 0 to `highest`, and their standard errors over probes.

    Each is unbiased if 2m - 1 >= `highest`.

    Args:
        ritz_values: the nodes theta, one array [m] a probe.
        weights: the weights w of these nodes, likewise; each array sums to 1.
        highest: degree of the last moment.

    Returns:
        Moments [highest + 1], and their standard errors, NaN for a single probe.

    Raises:
        ValueError: if there is no probe.
    """
    degrees = range(highest + 1)
    samples = np.array(
        [[w @ np.asarray(theta) ** d for d in degrees] for theta, w in zip(ritz_values, weights, strict=True)]
    )
    estimates = [jackknife(sample, float) for sample in samples.reshape(-1, highest + 1).T]
    return np.array([e.value for e in estimates]), np.array([e.standard_error for e in estimates])


def effective_rank(ritz_values: Sequence[np.ndarray], weights: Sequence[np.ndarray], p: int) -> Estimate:
    """Estimate (sum |lambda|)^2 / sum lambda^2 over the p eigenvalues: how many of equal magnitude would give the same.

    From 1 (one eigenvalue that is not zero) to p (all of equal magnitude); NaN for the zero operator. Take many
    steps: for the small network of the tests, of 78, the quadratures say 64 with 20 steps and 81 with 60, -+ 2.

    Raises:
        ValueError: if there is no probe.
    """
    sizes, squares = _sums(ritz_values, weights, np.abs), _sums(ritz_values, weights, np.square)
    return jackknife(np.stack([sizes, squares], axis=1), lambda mean: p * _ratio(mean[0] ** 2, mean[1]))


def negative_share(ritz_values: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> Estimate:
    """Estimate the share of negative curvature, sum |lambda < 0| / sum |lambda|, 0 to 1; NaN for the zero operator.

    Raises:
        ValueError: if there is no probe.
    """
    sizes = _sums(ritz_values, weights, np.abs)
    negative = _sums(ritz_values, weights, lambda theta: np.maximum(-theta, 0))
    return jackknife(np.stack([negative, sizes], axis=1), lambda mean: _ratio(mean[0], mean[1]))


def negative_weight(ritz_values: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> Estimate:
    """Estimate the share of the eigenvalues that are negative, 0 to 1.

    Eigenvalues near zero, by far the most in large networks, are averaged into a few nodes: whether such a node is
    just below zero or just above moves the share by its weight.

    Raises:
        ValueError: if there is no probe.
    """
    return jackknife(_sums(ritz_values, weights, lambda theta: theta < 0), float)


def _sums(
    ritz_values: Sequence[np.ndarray], weights: Sequence[np.ndarray], function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return sum_i w_i f(theta_i) for each probe."""
    return np.array([w @ function(np.asarray(theta)) for theta, w in zip(ritz_values, weights, strict=True)])


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else math.nan
