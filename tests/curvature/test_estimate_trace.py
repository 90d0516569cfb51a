"""Probes on the sphere, intervals of Hutchinson's estimates, and the trace to a requested error."""

import math
from functools import cache

import numpy as np
import pytest
import torch

from curvature.known_spectrum import KnownSpectrum, coverage, outliers_over_bulk, relative_errors, slowly
from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.estimate_trace import FIRST, StoppedTrace, estimate_trace
from curvature_mtl.curvature.operator import SymmetricOperator
from curvature_mtl.curvature.sphere import SphereSamples, on_sphere, sphere
from curvature_mtl.curvature.trace import TraceEstimate, hutchinson_trace, rademacher
from curvature_mtl.curvature.xtrace import xtrace


def hutchinson_on_the_sphere(operator: SymmetricOperator, n: int, seed: int) -> TraceEstimate:
    probes = sphere(operator.shape[0], n, seed).T
    samples = SphereSamples.of_products(probes, operator @ probes, operator.shape[0])
    freedom = samples.degrees_of_freedom()
    return TraceEstimate(samples.mean(), samples.standard_error(), n, n, seed=seed, degrees_of_freedom=freedom)


@cache
def flat() -> KnownSpectrum:
    """Make an operator whose eigenvalues fill 0 to 1 evenly."""
    return KnownSpectrum(np.linspace(0, 1, 500))


class TestSphere:
    def test_probes_have_their_length_and_do_not_depend_on_their_number(self) -> None:
        many = sphere(1000, 6, seed=5)
        torch.testing.assert_close(many.square().sum(1), torch.full((6,), 1000.0, dtype=torch.float64))
        assert torch.equal(sphere(1000, 2, seed=5), many[:2])
        assert torch.equal(sphere(1000, 2, seed=5, first=4), many[4:])
        assert sphere(1000, 0, seed=5).shape == (0, 1000)
        cosines = torch.cat([many, sphere(1000, 6, seed=6)])
        assert (cosines @ cosines.T / 1000 - torch.eye(12)).abs().max() < 0.15

    def test_zeros_stay_zeros(self) -> None:
        vectors = torch.tensor([[0.0, 3.0], [0.0, 4.0]], dtype=torch.float64)
        np.testing.assert_allclose(on_sphere(vectors, 4), [[0, 1.2], [0, 1.6]])

    def test_the_products_tell_the_variance(self) -> None:
        """Twice the mean spread is 2p/(p + 2) (|H|_F^2 - (tr H)^2 / p), the variance of a sample."""
        matrix = rotated(torch.tensor([4.0, -3.0, 2.0, 1.0, 0.0]), 0)
        probes = sphere(5, 20_000, seed=0).T
        samples = SphereSamples.of_products(probes, matrix @ probes, 5)
        variance = 2 * 5 / 7 * (30 - 4**2 / 5)
        assert 2 * float(samples.spreads.mean()) == pytest.approx(variance, rel=0.02)
        assert float(samples.values.var()) == pytest.approx(variance, rel=0.02)

    def test_a_multiple_of_the_identity_is_exact(self) -> None:
        estimate = hutchinson_on_the_sphere(2 * torch.eye(7, dtype=torch.float64), 3, seed=0)
        assert estimate.value == pytest.approx(14)
        assert estimate.standard_error < 1e-14

    def test_a_single_probe_knows_an_error(self) -> None:
        estimate = hutchinson_on_the_sphere(network_problem().dense, 1, seed=0)
        assert estimate.standard_error > 0
        assert estimate.degrees_of_freedom == 1


class TestInterval:
    @pytest.mark.parametrize(
        ("confidence", "freedom", "quantile"), [(0.95, None, 2.262157), (0.68, None, 1.052515), (0.95, 1e9, 1.959964)]
    )
    def test_students_quantiles(self, confidence: float, freedom: float | None, quantile: float) -> None:
        estimate = TraceEstimate(5.0, 2.0, n_products=10, n_probes=10, degrees_of_freedom=freedom)
        assert estimate.interval(confidence) == pytest.approx((5 - 2 * quantile, 5 + 2 * quantile), abs=1e-5)

    def test_one_probe_has_none(self) -> None:
        assert all(math.isnan(end) for end in TraceEstimate(5.0, math.nan, 1, 1).interval())

    @pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
    def test_confidence_is_a_share(self, confidence: float) -> None:
        with pytest.raises(ValueError, match="between 0 and 1"):
            TraceEstimate(5.0, 2.0, 10, 10).interval(confidence)

    @pytest.mark.parametrize(("on", "n_products"), [slowly("outliers", 12), ("outliers", 30), slowly("network", 12)])
    @pytest.mark.parametrize("probes", ["signs", "sphere"])
    def test_hutchinsons_hold_the_truth(self, on: str, n_products: int, probes: str) -> None:
        operator, dense = outliers_over_bulk(), network_problem().dense
        matrix, truth = (operator, operator.trace) if on == "outliers" else (dense, float(dense.trace()))
        p = matrix.shape[0]
        estimates = [
            hutchinson_trace(matrix, rademacher(p, n_products, seed))
            if probes == "signs"
            else hutchinson_on_the_sphere(matrix, n_products, seed)
            for seed in range(400)
        ]
        assert 0.91 < coverage(estimates, truth) < 0.985

    def test_under_a_single_outlier_the_sphere_knows_its_error_better_than_signs(self) -> None:
        matrix = rotated(torch.cat([torch.tensor([100.0]), torch.linspace(-0.1, 0.1, 99)]), 0)
        signs = [hutchinson_trace(matrix, rademacher(100, 12, seed)) for seed in range(400)]
        on_the_sphere = [hutchinson_on_the_sphere(matrix, 12, seed) for seed in range(400)]
        assert coverage(signs, float(matrix.trace())) < 0.91
        assert 0.91 < coverage(on_the_sphere, float(matrix.trace())) < 0.985


class TestFlatSpectrum:
    def test_hutchinson_wins_at_equal_products(self) -> None:
        """XTrace spends half of them on a sketch that catches nothing: its errors are the root of 2 times larger."""
        plain = relative_errors([hutchinson_on_the_sphere(flat(), 30, seed) for seed in range(100)], flat().trace)
        exchanged = relative_errors([xtrace(flat(), 30, seed) for seed in range(100)], flat().trace)
        assert 1.15 < exchanged.std() / plain.std() < 1.7

    def test_hutchinson_is_chosen_at_a_third_more_products_than_it_takes_alone(self) -> None:
        p, trace = flat().shape[0], flat().trace
        variance = 2 * p / (p + 2) * (float((flat().eigenvalues.astype(float) ** 2).sum()) - trace**2 / p)
        request = math.sqrt(variance / 60) / trace  # what 60 products give
        estimates = [estimate_trace(flat(), request, seed, max_products=500) for seed in range(40)]
        assert all(estimate.reached for estimate in estimates)
        assert np.mean([estimate.method == "hutchinson" for estimate in estimates]) > 0.9
        assert 70 < np.median([estimate.n_products for estimate in estimates]) < 90
        errors = relative_errors(estimates, trace)
        assert math.sqrt((errors**2).mean()) < 1.15 * request


class TestOutliers:
    @pytest.mark.parametrize(("request_", "n_products"), [slowly(0.1, 16), (0.02, 32), slowly(0.003, 48)])
    def test_the_requested_error_is_kept(self, request_: float, n_products: int) -> None:
        operator = outliers_over_bulk()
        estimates = [estimate_trace(operator, request_, seed, max_products=400) for seed in range(150)]
        assert all(estimate.reached for estimate in estimates)
        assert np.median([estimate.n_products for estimate in estimates]) == n_products
        assert math.sqrt((relative_errors(estimates, operator.trace) ** 2).mean()) < 1.1 * request_
        # Less than 95 %: stopping favours runs that underestimate their error.
        assert 0.84 < coverage(estimates, operator.trace) < 0.985

    def test_xtrace_is_chosen_with_far_fewer_products_than_hutchinson_needs(self) -> None:
        estimate = estimate_trace(outliers_over_bulk(), 0.003, seed=0, max_products=400)
        needed = 2 * float((outliers_over_bulk().eigenvalues.astype(float) ** 2).sum())
        assert estimate.method == "xtrace"
        assert estimate.n_products < 0.01 * needed / (0.003 * outliers_over_bulk().trace) ** 2


class TestStopping:
    @pytest.mark.parametrize("limit", [4, 15, 31, 100])
    @pytest.mark.parametrize("seed", range(3))
    def test_products_are_counted_and_never_too_many(self, limit: int, seed: int) -> None:
        operator = KnownSpectrum(np.linspace(-1, 1.1, 200))
        estimate = estimate_trace(operator, 1e-4, seed, max_products=limit)
        assert limit - 1 <= estimate.n_products == operator.n_products <= limit
        assert not estimate.reached
        assert (estimate.requested, estimate.seed) == (1e-4, seed)

    def test_a_generous_request_takes_the_first_block(self) -> None:
        estimate = estimate_trace(network_problem().dense + torch.eye(1160), 0.5, seed=0, max_products=100)
        assert estimate.reached
        assert estimate.n_products == 2 * FIRST

    def test_a_repeated_call_gives_the_same(self) -> None:
        one, again = (estimate_trace(flat(), 0.02, seed=3, max_products=200) for _ in range(2))
        assert one == again

    @pytest.mark.parametrize("p", [1, 2, 10])
    def test_few_dimensions_end_with_the_exact_trace(self, p: int) -> None:
        matrix = rotated(torch.linspace(2, -1, p), 0)
        estimate = estimate_trace(matrix, 1e-9, seed=0, max_products=1000)
        assert estimate.value == pytest.approx(float(matrix.trace()), abs=1e-12)
        assert estimate.n_products <= 2 * p

    def test_zero(self) -> None:
        estimate = estimate_trace(torch.zeros(30, 30, dtype=torch.float64), 0.01, seed=0, max_products=100)
        assert abs(estimate.value) < 1e-80
        assert estimate.reached

    def test_reached_compares_the_error_with_the_request(self) -> None:
        assert StoppedTrace(-10.0, 1.0, 5, 5, requested=0.1).reached
        assert not StoppedTrace(-9.0, 1.0, 5, 5, requested=0.1).reached

    @pytest.mark.parametrize(
        ("p", "error", "limit", "reason"),
        [(5, 0.0, 100, "must be positive"), (5, 0.1, 3, "at least 4 products")],
    )
    def test_errors(self, p: int, error: float, limit: int, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            estimate_trace(torch.eye(p, dtype=torch.float64), error, seed=0, max_products=limit)
