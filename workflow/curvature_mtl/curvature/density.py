"""Smoothed spectral densities from tables of Ritz values and weights; needs numpy alone, so notebooks may import it."""

from collections.abc import Sequence

import numpy as np


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
    densities = np.array([_gaussians(grid, nodes, sigma) @ weight for nodes, weight in pairs])
    n = len(densities)
    error = densities.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(grid), np.nan)
    return densities.mean(axis=0), error


def _gaussians(grid: np.ndarray, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Return the normal densities at the grid points, [g, centres]."""
    z = (grid[:, None] - np.asarray(centres)[None, :]) / sigma
    return np.exp(-(z**2) / 2) / (sigma * np.sqrt(2 * np.pi))
