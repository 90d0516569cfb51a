"""Norms, moments, effective rank and negative curvature, and whether their errors are as large as stated."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.jackknife import Estimate, jackknife
from curvature_mtl.curvature.norms import effective_rank, frobenius_norm, negative_share, spectral_moments
from curvature_mtl.curvature.spectral_density import slq
from curvature_mtl.curvature.sphere import sphere
from curvature_mtl.curvature.trace import rademacher

Quadratures = tuple[list[np.ndarray], list[np.ndarray]]


@cache
def indefinite() -> tuple[torch.Tensor, np.ndarray]:
    """Make a matrix with a few outliers of both signs over a bulk, and its eigenvalues."""
    rng = np.random.default_rng(0)
    eigenvalues = torch.tensor(np.concatenate([[6, 5, 4, 3, -2, -1.5], 0.3 * rng.standard_normal(144)]))
    return rotated(eigenvalues, 0), eigenvalues.numpy()


def quadratures(matrix: torch.Tensor, n: int, seed: int, steps: int = 30) -> Quadratures:
    runs = slq(matrix, rademacher(len(matrix), n, seed), steps)
    return [run.ritz_values for run in runs], [run.weights for run in runs]


@cache
def repeated(n: int = 10, times: int = 60) -> list[Quadratures]:
    """Return the quadratures of `times` sets of `n` probes of the indefinite matrix."""
    ritz_values, weights = quadratures(indefinite()[0], n * times, seed=0)
    return [(ritz_values[i : i + n], weights[i : i + n]) for i in range(0, n * times, n)]


def check_errors(estimates: Sequence[Estimate], truth: float, n: int = 10) -> None:
    """Check that intervals of one (68 %) and two (95 %) sigma hold the truth about as often as they should."""
    z = np.array([(estimate.value - truth) / estimate.standard_error for estimate in estimates])
    assert 0.55 < np.mean(np.abs(z) < student.ppf(0.84, n - 1)) < 0.82
    assert np.mean(np.abs(z) < student.ppf(0.975, n - 1)) > 0.86


def dense_moments(eigenvalues: np.ndarray) -> np.ndarray:
    return np.array([(eigenvalues**d).mean() for d in range(5)])


class TestMoments:
    def test_of_the_network_are_the_dense_ones_within_their_errors(self) -> None:
        dense = network_problem().dense
        moments, errors = spectral_moments(*quadratures(dense, 12, seed=0))
        truth = dense_moments(torch.linalg.eigvalsh(dense).numpy())
        assert moments[0] == pytest.approx(1, abs=1e-13)
        assert errors[0] < 1e-13
        assert (np.abs(moments - truth) <= 3 * errors + 1e-13).all()
        assert (errors[[2, 4]] < 0.3 * truth[[2, 4]]).all()

    @pytest.mark.parametrize("degree", [1, 2, 3, 4])
    def test_errors_are_as_large_as_stated(self, degree: int) -> None:
        truth = dense_moments(indefinite()[1])[degree]
        stated = [spectral_moments(*pair) for pair in repeated()]
        check_errors([Estimate(values[degree], errors[degree]) for values, errors in stated], truth)

    def test_are_exact_for_the_probes_from_three_steps(self) -> None:
        matrix, _ = indefinite()
        probes = rademacher(len(matrix), 4, seed=1)
        moments, _ = spectral_moments(*quadratures(matrix, 4, seed=1, steps=3))
        for degree in range(5):
            samples = (probes.T * (torch.linalg.matrix_power(matrix, degree) @ probes.T)).sum(0)
            assert moments[degree] == pytest.approx(float(samples.mean()) / len(matrix), rel=1e-10)

    def test_higher_ones(self) -> None:
        moments, _ = spectral_moments([np.array([2.0, 1.0])], [np.array([0.5, 0.5])], highest=6)
        np.testing.assert_allclose(moments, [(2.0**d + 1) / 2 for d in range(7)])

    def test_one_probe_knows_no_error_and_none_knows_nothing(self) -> None:
        _, errors = spectral_moments([np.array([2.0])], [np.array([1.0])])
        assert np.isnan(errors).all()
        with pytest.raises(ValueError, match="at least one sample"):
            spectral_moments([], [])


class TestFrobeniusNorm:
    @pytest.mark.parametrize("draw", [rademacher, sphere])
    def test_of_the_network(self, draw) -> None:
        operator = network_problem().operator()
        estimate = frobenius_norm(operator, draw(operator.shape[0], 30, 0))
        truth = float(torch.linalg.matrix_norm(network_problem().dense))
        assert abs(estimate.value - truth) < 3 * estimate.standard_error < 0.5 * truth
        assert operator.n_products == 30

    def test_errors_are_as_large_as_stated(self) -> None:
        matrix, eigenvalues = indefinite()
        estimates = [frobenius_norm(matrix, rademacher(len(matrix), 10, seed)) for seed in range(150)]
        check_errors(estimates, math.sqrt((eigenvalues**2).sum()))

    def test_is_the_second_moment_of_the_quadratures(self) -> None:
        matrix, _ = indefinite()
        moments, _ = spectral_moments(*quadratures(matrix, 5, seed=2))
        norm = frobenius_norm(matrix, rademacher(len(matrix), 5, seed=2)).value
        assert norm == pytest.approx(math.sqrt(len(matrix) * moments[2]), rel=1e-12)

    def test_exact_for_a_multiple_of_a_rotation(self) -> None:
        estimate = frobenius_norm(rotated(torch.tensor([2.0, -2.0, 2.0, -2.0]), 0), rademacher(4, 3, seed=0))
        assert estimate.value == pytest.approx(4)
        assert estimate.standard_error < 1e-14


class TestEffectiveRank:
    def test_errors_are_as_large_as_stated(self) -> None:
        matrix, eigenvalues = indefinite()
        truth = np.abs(eigenvalues).sum() ** 2 / (eigenvalues**2).sum()
        check_errors([effective_rank(*pair, p=len(matrix)) for pair in repeated()], truth)

    def test_of_the_network(self) -> None:
        dense = network_problem().dense
        eigenvalues = torch.linalg.eigvalsh(dense).numpy()
        estimate = effective_rank(*quadratures(dense, 12, seed=0, steps=60), p=len(dense))
        truth = np.abs(eigenvalues).sum() ** 2 / (eigenvalues**2).sum()
        assert abs(estimate.value - truth) < 3 * estimate.standard_error < truth

    @pytest.mark.parametrize("rank", [1, 3, 8])
    def test_counts_eigenvalues_of_equal_magnitude(self, rank: int) -> None:
        nodes, weights = np.array([2.0, -2.0, 0.0]), np.array([0.7, 0.3, 0.0]) * rank / 8
        weights[2] = 1 - rank / 8
        estimate = effective_rank([nodes] * 3, [weights] * 3, p=8)
        assert estimate.value == pytest.approx(rank)
        assert estimate.standard_error < 1e-12

    def test_zero_has_none(self) -> None:
        assert math.isnan(effective_rank([np.array([0.0])], [np.array([1.0])], p=5).value)


class TestNegativeShare:
    def test_errors_are_as_large_as_stated(self) -> None:
        _, eigenvalues = indefinite()
        truth = -eigenvalues[eigenvalues < 0].sum() / np.abs(eigenvalues).sum()
        check_errors([negative_share(*pair) for pair in repeated()], truth)

    def test_of_the_network(self) -> None:
        dense = network_problem().dense
        eigenvalues = torch.linalg.eigvalsh(dense).numpy()
        estimate = negative_share(*quadratures(dense, 12, seed=0, steps=60))
        truth = -eigenvalues[eigenvalues < 0].sum() / np.abs(eigenvalues).sum()
        assert abs(estimate.value - truth) < 3 * estimate.standard_error < 0.2

    @pytest.mark.parametrize(("nodes", "share"), [([1.0, 3.0], 0), ([-1.0, -3.0], 1), ([3.0, -1.0], 0.25)])
    def test_known(self, nodes: list[float], share: float) -> None:
        estimate = negative_share([np.array(nodes)] * 2, [np.array([0.5, 0.5])] * 2)
        assert estimate == pytest.approx((share, 0))

    def test_zero_has_none(self) -> None:
        assert math.isnan(negative_share([np.array([0.0])], [np.array([1.0])]).value)


def test_with_few_steps_magnitudes_are_wrong_by_more_than_the_error_tells() -> None:
    """A single step gives each probe one node, between the eigenvalues of both signs."""
    matrix, eigenvalues = indefinite()
    truth = -eigenvalues[eigenvalues < 0].sum() / np.abs(eigenvalues).sum()
    few = negative_share(*quadratures(matrix, 10, seed=0, steps=1))
    enough = negative_share(*quadratures(matrix, 10, seed=0, steps=30))
    assert abs(few.value - truth) > 4 * few.standard_error
    assert abs(enough.value - truth) < 2 * enough.standard_error


class TestJackknife:
    def test_of_the_mean_is_its_standard_error(self) -> None:
        samples = np.random.default_rng(0).normal(size=12)
        estimate = jackknife(samples, float)
        assert estimate.value == pytest.approx(samples.mean())
        assert estimate.standard_error == pytest.approx(samples.std(ddof=1) / math.sqrt(12))

    def test_of_a_ratio_is_that_of_its_differential(self) -> None:
        a, b = 3 + 0.01 * np.random.default_rng(0).normal(size=(2, 50))
        linear = (a - a.mean() / b.mean() * b) / b.mean()
        estimate = jackknife(np.stack([a, b], axis=1), lambda mean: mean[0] / mean[1])
        assert estimate.value == pytest.approx(a.mean() / b.mean())
        assert estimate.standard_error == pytest.approx(linear.std(ddof=1) / math.sqrt(50), rel=1e-3)

    def test_one_sample_knows_no_error(self) -> None:
        assert jackknife(np.array([2.0]), float).value == 2
        assert math.isnan(jackknife(np.array([2.0]), float).standard_error)
