"""Stochastic Lanczos quadrature, extremal eigenvalues and smoothed densities."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.density import smoothed_density
from curvature_mtl.curvature.spectral_density import extremal_eigenvalues, slq
from curvature_mtl.curvature.trace import rademacher


class TestNetwork:
    def test_extremal_eigenvalues(self) -> None:
        problem = network_problem()
        eigenvalues = torch.linalg.eigvalsh(problem.dense)
        operator = problem.operator()
        largest, smallest = extremal_eigenvalues(slq(operator, rademacher(operator.shape[0], 2, seed=0), steps=60))
        assert operator.n_products == 120
        assert smallest.value < 0 < largest.value
        assert largest.value == pytest.approx(float(eigenvalues[-1]), abs=1e-8)
        assert smallest.value == pytest.approx(float(eigenvalues[0]), abs=1e-8)
        assert max(largest.residual, smallest.residual) < 1e-5

    def test_moments(self) -> None:
        problem = network_problem()
        probes = rademacher(len(problem.dense), 3, seed=1)
        runs = slq(problem.operator(), probes, steps=4)
        powers = probes.T
        for degree in range(8):
            expected = (probes.T * powers).mean(0).numpy()
            moments = [run.weights @ run.ritz_values**degree for run in runs]
            np.testing.assert_allclose(moments, expected, rtol=1e-9)
            powers = problem.dense @ powers

    def test_density_agrees_with_the_eigenvalues_within_its_error(self) -> None:
        problem = network_problem()
        eigenvalues = torch.linalg.eigvalsh(problem.dense).numpy()
        p, sigma = len(eigenvalues), 0.05
        grid = np.linspace(eigenvalues[0] - 0.3, eigenvalues[-1] + 0.3, 60)
        exact, _ = smoothed_density([eigenvalues], [np.full(p, 1 / p)], grid, sigma)
        runs = slq(problem.dense, rademacher(p, 20, seed=2), steps=50)
        mean, error = smoothed_density([r.ritz_values for r in runs], [r.weights for r in runs], grid, sigma)
        assert (np.abs(mean - exact) <= 5 * error + 1e-6 * exact.max()).all()


def test_extremes_come_with_their_own_residuals() -> None:
    runs = slq(rotated(torch.linspace(-2, 1, 30), 0), rademacher(30, 4, seed=0), steps=5)
    largest, smallest = extremal_eigenvalues(runs)
    ends = [(run.ritz_values[-1], run.residuals[-1]) for run in runs]
    assert (largest.value, largest.residual) == max(ends)
    assert smallest.value == min(run.ritz_values[0] for run in runs)
    assert -2 <= smallest.value <= -2 + smallest.residual
    assert 1 - largest.residual <= largest.value <= 1


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    spectra=st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=8), min_size=2, max_size=4),
    sigma=st.floats(0.05, 1.0),
)
def test_density_integrates_to_one(spectra: list[list[float]], sigma: float) -> None:
    grid = np.linspace(-15, 15, 3001)
    weights = [np.full(len(nodes), 1 / len(nodes)) for nodes in spectra]
    mean, error = smoothed_density([np.array(nodes) for nodes in spectra], weights, grid, sigma)
    assert np.trapezoid(mean, grid) == pytest.approx(1, abs=1e-6)
    assert mean.shape == error.shape == grid.shape
    assert (error >= 0).all()


def test_density_of_one_eigenvalue_is_a_gaussian() -> None:
    grid = np.array([-1.0, 0.0, 2.0])
    mean, error = smoothed_density([np.array([0.0])], [np.array([1.0])], grid, 2.0)
    np.testing.assert_allclose(mean, np.exp(-(grid**2) / 8) / np.sqrt(8 * np.pi))
    assert np.isnan(error).all()


def test_error_is_zero_for_identical_probes_and_shrinks_as_the_root_of_their_number() -> None:
    grid, a, b, one = np.linspace(-1, 1, 21), np.array([-0.2]), np.array([0.3]), np.array([1.0])
    _, same = smoothed_density([a] * 3, [one] * 3, grid, 0.2)
    np.testing.assert_allclose(same, 0, atol=1e-15)
    _, two = smoothed_density([a, b], [one] * 2, grid, 0.2)
    _, eight = smoothed_density([a, b] * 4, [one] * 8, grid, 0.2)
    # Sample variances with n - 1: d^2/2 of 2 probes, d^2 * 2/7 of 8.
    np.testing.assert_allclose(eight / two, np.sqrt((2 / 7 / 8) / (1 / 2 / 2)))


def test_errors() -> None:
    one = [np.array([1.0])]
    with pytest.raises(ValueError, match="at least one probe"):
        smoothed_density([], [], np.zeros(1), 1.0)
    with pytest.raises(ValueError, match="sigma must be positive"):
        smoothed_density(one, one, np.zeros(1), 0.0)


def test_the_density_needs_no_torch() -> None:
    code = "import sys, curvature_mtl.curvature.density; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
