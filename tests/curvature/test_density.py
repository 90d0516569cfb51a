"""Densities on a linear and on a log scale against the eigenvalues of the dense Hessian."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curvature.small_network import network_problem
from curvature_mtl.curvature.density import log_density, smoothed_density
from curvature_mtl.curvature.spectral_density import slq
from curvature_mtl.curvature.trace import rademacher

WIDTH = 0.15  # decades


@pytest.fixture(scope="module")
def eigenvalues() -> np.ndarray:
    return torch.linalg.eigvalsh(network_problem().dense).numpy()


@pytest.fixture(scope="module")
def quadratures() -> tuple[list[np.ndarray], list[np.ndarray]]:
    dense = network_problem().dense
    runs = slq(dense, rademacher(len(dense), 12, seed=3), steps=50)
    return [run.ritz_values for run in runs], [run.weights for run in runs]


class TestMomentsOfTheLinearDensity:
    @pytest.mark.parametrize("degree", range(5))
    def test_agree_with_the_eigenvalues_within_the_scatter_of_probes(
        self, degree: int, eigenvalues: np.ndarray, quadratures: tuple[list[np.ndarray], list[np.ndarray]]
    ) -> None:
        """Of the smoothed densities of both, as far as the Gaussian reaches."""
        sigma = 0.002
        grid = np.linspace(eigenvalues[0] - 0.02, eigenvalues[-1] + 0.02, 1000)
        uniform = np.full(len(eigenvalues), 1 / len(eigenvalues))
        exact, _ = smoothed_density([eigenvalues], [uniform], grid, sigma)
        each = [smoothed_density([r], [w], grid, sigma)[0] for r, w in zip(*quadratures, strict=True)]
        mean, _ = smoothed_density(*quadratures, grid, sigma)
        moments = np.array([np.trapezoid(grid**degree * density, grid) for density in each])
        truth = np.trapezoid(grid**degree * exact, grid)
        error = moments.std(ddof=1) / np.sqrt(len(moments))
        assert np.trapezoid(grid**degree * mean, grid) == pytest.approx(moments.mean(), rel=1e-9, abs=1e-15)
        assert abs(moments.mean() - truth) <= 3 * error + 1e-9 * truth


class TestLogDensity:
    def test_agrees_with_the_eigenvalues_within_its_error(
        self, eigenvalues: np.ndarray, quadratures: tuple[list[np.ndarray], list[np.ndarray]]
    ) -> None:
        """In the decade and a half below the largest eigenvalue, which 50 Lanczos steps resolve."""
        top = np.log10(np.abs(eigenvalues).max())
        grid = np.linspace(top - 1.5, top + 0.3, 40)
        uniform = np.full(len(eigenvalues), 1 / len(eigenvalues))
        exact = log_density([eigenvalues], [uniform], grid, WIDTH, floor=1e-5)
        found = log_density(*quadratures, grid, WIDTH, floor=1e-5)
        assert (np.abs(found.density - exact.density) <= 4 * found.density_error + 0.02 * exact.density.max()).all()

    @settings(derandomize=True, deadline=None, max_examples=25)
    @given(
        spectra=st.lists(
            st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=1, max_size=8), min_size=2, max_size=4
        ),
        floor=st.sampled_from([1e-8, 0.01, 1.0]),
    )
    def test_density_and_share_at_zero_sum_to_one(self, spectra: list[list[float]], floor: float) -> None:
        grid = np.linspace(-12, 4, 3201)
        weights = [np.full(len(nodes), 1 / len(nodes)) for nodes in spectra]
        found = log_density([np.array(nodes) for nodes in spectra], weights, grid, WIDTH, floor)
        assert np.trapezoid(found.density, grid) + found.at_zero == pytest.approx(1, abs=1e-6)
        assert found.density.shape == found.density_error.shape == grid.shape
        assert (found.density_error >= 0).all()
        assert found.at_zero_error >= 0

    def test_an_eigenvalue_of_either_sign_is_a_gaussian_in_decades(self) -> None:
        grid = np.array([-3.0, -2.0, -1.9])
        nodes = [np.array([-0.01, 0.01])]
        found = log_density(nodes, [np.array([0.5, 0.5])], grid, 0.1, floor=0.0)
        np.testing.assert_allclose(found.density, np.exp(-(((grid + 2) / 0.1) ** 2) / 2) / (0.1 * np.sqrt(2 * np.pi)))
        assert np.isnan(found.density_error).all()
        assert np.isnan(found.at_zero_error)

    def test_what_is_at_or_below_the_floor_is_at_zero(self) -> None:
        nodes, weights = np.array([-1e-3, 0.0, 1e-6, 2.0]), np.array([0.1, 0.2, 0.3, 0.4])
        shares = [log_density([nodes], [weights], np.zeros(1), 0.1, floor).at_zero for floor in (0, 1e-6, 1e-3, 5)]
        assert shares == pytest.approx([0.2, 0.5, 0.6, 1.0])

    def test_errors_are_the_scatter_of_probes(self) -> None:
        grid = np.linspace(-1, 1, 5)
        nodes, weights = [np.array([1.0, 0.0])] * 2, [np.array([0.25, 0.75]), np.array([0.75, 0.25])]
        found = log_density(nodes, weights, grid, 0.5, floor=1e-9)
        assert (found.at_zero, found.at_zero_error) == pytest.approx((0.5, 0.25))
        np.testing.assert_allclose(found.density_error, found.density / 2)

    def test_scaling_the_operator_moves_it_along(self) -> None:
        grid, rng = np.linspace(-2, 1, 31), np.random.default_rng(0)
        nodes, weights = [rng.normal(size=9) for _ in range(3)], [np.full(9, 1 / 9)] * 3
        one = log_density(nodes, weights, grid, WIDTH, floor=1e-3)
        ten = log_density([10 * node for node in nodes], weights, grid + 1, WIDTH, floor=1e-2)
        for a, b in zip(one, ten, strict=True):
            np.testing.assert_allclose(a, b)

    @pytest.mark.parametrize(
        ("nodes", "width", "floor", "reason"),
        [
            ([], 1.0, 0.0, "at least one probe"),
            ([np.ones(1)], 0.0, 0.0, "width must be positive"),
            ([np.ones(1)], 1.0, -1.0, "floor not negative"),
        ],
    )
    def test_errors(self, nodes: list[np.ndarray], width: float, floor: float, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            log_density(nodes, nodes, np.zeros(1), width, floor)


def test_densities_need_no_torch() -> None:
    code = "import sys, curvature_mtl.curvature.density; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
