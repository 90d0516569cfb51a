"""Whether 95 % intervals hold the truth for 91 to 98.5 % of 400 seeds: estimates whose own tests do not ask that.

Student's t intervals, value -+ quantile * error, with the degrees of freedom of as many probes. For the traces of
Hutchinson's estimator, Hutch++ and XTrace see test_estimate_trace.py, test_hutchplusplus.py and test_xtrace.py.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from curvature.known_spectrum import KnownSpectrum, P, coverage, outliers_over_bulk, relative_errors
from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.jackknife import Estimate
from curvature_mtl.curvature.krylov_trace import krylov_trace
from curvature_mtl.curvature.lanczos import lanczos_in_step
from curvature_mtl.curvature.norms import effective_rank, frobenius_norm, negative_share, spectral_moments
from curvature_mtl.curvature.quantities import block_traces, parameter_blocks
from curvature_mtl.curvature.spectral_density import slq
from curvature_mtl.curvature.sphere import sphere
from curvature_mtl.curvature.trace import TraceEstimate, rademacher

SEEDS, PROBES = 400, 16


def check_coverage(estimates: Sequence[Estimate], truth: float) -> None:
    half = student.ppf(0.975, PROBES - 1)
    held = [abs(estimate.value - truth) <= half * estimate.standard_error for estimate in estimates]
    assert len(held) == SEEDS
    assert 0.91 < np.mean(held) < 0.985


@pytest.mark.parametrize("draw", [rademacher, sphere])
def test_frobenius_norm(draw) -> None:
    operator = outliers_over_bulk()
    estimates = [frobenius_norm(operator, draw(P, PROBES, seed)) for seed in range(SEEDS)]
    check_coverage(estimates, math.sqrt((operator.eigenvalues.astype(float) ** 2).sum()))


@pytest.mark.slow
def test_traces_of_blocks() -> None:
    problem = network_problem()
    blocks = parameter_blocks(problem.network.trunk)
    probes = rademacher(len(problem.dense), PROBES * SEEDS, seed=0)
    products = problem.dense @ probes.T
    sets = [slice(i, i + PROBES) for i in range(0, PROBES * SEEDS, PROBES)]
    traces = [block_traces(probes[own], products[:, own], blocks) for own in sets]
    for k, places in enumerate(blocks.values()):
        own = [Estimate(each[k].value, each[k].error) for each in traces]
        check_coverage(own, float(problem.dense.diagonal()[places].sum()))


@cache
def indefinite() -> KnownSpectrum:
    """Make a smaller operator with outliers of both signs."""
    bulk = 0.3 * np.random.default_rng(0).standard_normal(144)
    return KnownSpectrum(np.concatenate([[6, 5, 4, 3, -2, -1.5], bulk]))


@cache
def quadratures() -> list[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Return those of 20 Lanczos steps, whose own error is small against that of the probes."""
    runs = slq(indefinite(), rademacher(indefinite().shape[0], PROBES * SEEDS, seed=0), steps=20)
    sets = [runs[i : i + PROBES] for i in range(0, len(runs), PROBES)]
    return [([run.ritz_values for run in own], [run.weights for run in own]) for own in sets]


@pytest.mark.slow
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_moments(degree: int) -> None:
    stated = [spectral_moments(*each) for each in quadratures()]
    truth = (indefinite().eigenvalues.astype(float) ** degree).mean()
    check_coverage([Estimate(moments[degree], errors[degree]) for moments, errors in stated], truth)


@pytest.mark.slow
def test_effective_rank() -> None:
    sizes = np.abs(indefinite().eigenvalues.astype(float))
    truth = sizes.sum() ** 2 / (sizes**2).sum()
    check_coverage([effective_rank(*each, p=len(sizes)) for each in quadratures()], truth)


@pytest.mark.slow
def test_share_of_negative_curvature() -> None:
    eigenvalues = indefinite().eigenvalues.astype(float)
    truth = -eigenvalues[eigenvalues < 0].sum() / np.abs(eigenvalues).sum()
    check_coverage([negative_share(*each) for each in quadratures()], truth)


def krylov(steps: int, n_forms: int, seed: int) -> TraceEstimate:
    """Estimate the trace of the outliers from one Lanczos run and quadratic forms."""
    operator, probes = outliers_over_bulk(), rademacher(P, 1 + n_forms, seed)
    runs = lanczos_in_step(operator, [probes[0]], steps)
    return krylov_trace(runs, probes[1:], ((operator @ probes[1:].T) * probes[1:].T).sum(0))


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "n_forms", "median"), [(15, 15, 0.0165), (20, 10, 0.0075), (30, 30, 0.0009)])
def test_trace_from_krylov_spaces(steps: int, n_forms: int, median: float) -> None:
    """At 30 products half the error of XTrace, if most of them are Lanczos steps; at 60 the same error."""
    estimates = [krylov(steps, n_forms, seed) for seed in range(SEEDS)]
    errors = relative_errors(estimates, outliers_over_bulk().trace)
    assert {estimate.n_products for estimate in estimates} == {steps + n_forms}
    assert np.median(np.abs(errors)) < median
    assert abs(errors.mean()) < 4 * errors.std() / math.sqrt(SEEDS)  # unbiased
    assert 0.91 < coverage(estimates, outliers_over_bulk().trace) < 0.985


def test_too_small_an_error_would_be_seen() -> None:
    matrix = rotated(torch.linspace(-1, 3, 60), 0)
    estimates = [frobenius_norm(matrix, rademacher(60, PROBES, seed)) for seed in range(SEEDS)]
    halved = [Estimate(estimate.value, estimate.standard_error / 2) for estimate in estimates]
    with pytest.raises(AssertionError):
        check_coverage(halved, float(torch.linalg.matrix_norm(matrix)))
