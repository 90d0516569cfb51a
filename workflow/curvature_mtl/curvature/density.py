"""Smoothed spectral densities from tables of Ritz values and weights; needs numpy alone, so notebooks may import it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class LogDensity(NamedTuple):
    """The density of |eigenvalue| on a log scale, a decade, and the share of the eigenvalues at zero.

    All divided by p: the integral of the density over all decades and the share at zero sum to 1. Errors are standard
    errors over probes, NaN for a single probe.
    """

    density: np.ndarray
    density_error: np.ndarray
    at_zero: float
    at_zero_error: float


def smoothed_density(
    ritz_values: Sequence[np.ndarray], weights: Sequence[np.ndarray], grid: np.ndarray, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalue density divided by p, smoothed by a Gaussian, with its standard error over probes.

    Each probe gives sum_i w_i N(x; theta_i, sigma^2), which integrates to 1 (Ghorbani, Krishnan and Xiao, ICML
    2019, section 2); the density is the mean over probes.

    Args:
        ritz_values: the nodes theta, one array [m] a probe; m may differ between probes.
        weights: the weights w of these nodes, likewise; each array sums to 1.
        grid: points x [g], in the unit of the Ritz values.
        sigma: standard deviation of the Gaussian, in the same unit.

    Returns:
        Density [g], in the inverse of that unit, and its standard error [g], NaN for a single probe.

    Raises:
        ValueError: if there is no probe, or sigma is not positive.
    """
    if len(ritz_values) == 0:
        raise ValueError("a spectral density needs at least one probe")
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    pairs = zip(ritz_values, weights, strict=True)
    return _mean_and_error(np.array([_gaussians(grid, nodes, sigma) @ weight for nodes, weight in pairs]))


def log_density(
    ritz_values: Sequence[np.ndarray], weights: Sequence[np.ndarray], grid: np.ndarray, width: float, floor: float
) -> LogDensity:
    """Return the density of log10 |eigenvalue| divided by p, smoothed by a Gaussian, with its error over probes.

    Each probe gives sum_i w_i N(x; log10 |theta_i|, width^2) over the nodes above the floor, and sum_i w_i over the
    others: small eigenvalues that a linear scale shows as one peak are told apart, and both signs are counted
    together (call it with the nodes of one sign to see that sign).

    Lanczos resolves the ends of a spectrum first. Nodes far below its width are but averages of the eigenvalues
    near zero, in all probes alike, so the error does not tell: 50 steps resolve 1.5 decades of the small network in
    the tests. A floor there keeps the rest out of the density.

    Args:
        ritz_values: the nodes theta, one array [m] a probe; m may differ between probes.
        weights: the weights w of these nodes, likewise; each array sums to 1.
        grid: points x = log10 |eigenvalue| [g].
        width: standard deviation of the Gaussian, in decades.
        floor: nodes of at most this magnitude are "at zero"; in the unit of the Ritz values.

    Raises:
        ValueError: if there is no probe, the width is not positive, or the floor is negative.
    """
    if len(ritz_values) == 0:
        raise ValueError("a spectral density needs at least one probe")
    if not width > 0 or not floor >= 0:
        raise ValueError(f"width must be positive and floor not negative, got {width} and {floor}")
    densities, at_zero = [], []
    for nodes, weight in zip(ritz_values, weights, strict=True):
        magnitudes = np.abs(nodes)
        above = magnitudes > floor
        densities.append(_gaussians(grid, np.log10(magnitudes[above]), width) @ np.asarray(weight)[above])
        at_zero.append([np.asarray(weight)[~above].sum()])
    zero, zero_error = _mean_and_error(np.array(at_zero))
    return LogDensity(*_mean_and_error(np.array(densities)), float(zero[0]), float(zero_error[0]))


def _mean_and_error(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over probes of samples [n, g] and its standard error, NaN for a single probe."""
    n = len(samples)
    error = samples.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(samples.shape[1], np.nan)
    return samples.mean(axis=0), error


def _gaussians(grid: np.ndarray, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Return the normal densities at the grid points, [g, centres]."""
    z = (grid[:, None] - np.asarray(centres)[None, :]) / sigma
    return np.exp(-(z**2) / 2) / (sigma * np.sqrt(2 * np.pi))
