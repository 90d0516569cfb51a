"""Hutch++: exact within its sketch, and intervals that hold the truth."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from curvature.known_spectrum import coverage, outliers_over_bulk, relative_errors, slowly
from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.hutchplusplus import hutchplusplus_trace
from curvature_mtl.curvature.trace import TraceEstimate


@cache
def on_outliers(n_products: int) -> list[TraceEstimate]:
    return [hutchplusplus_trace(outliers_over_bulk(), n_products, seed) for seed in range(400)]


# Hutchinson's estimator with signs has medians of 8.3, 5.5 and 3.9 % here.
@pytest.mark.parametrize(("n_products", "median"), [slowly(12, 0.10), (30, 0.025), slowly(60, 0.0025)])
def test_outliers_are_caught(n_products: int, median: float) -> None:
    errors = relative_errors(on_outliers(n_products), outliers_over_bulk().trace)
    assert np.median(np.abs(errors)) < median
    assert abs(errors.mean()) < 4 * errors.std() / math.sqrt(len(errors))  # unbiased


@pytest.mark.parametrize("n_products", [slowly(12), 30, slowly(60)])
def test_intervals_hold_the_truth_over_outliers(n_products: int) -> None:
    assert 0.91 < coverage(on_outliers(n_products), outliers_over_bulk().trace) < 0.985


@pytest.mark.slow
def test_intervals_hold_the_truth_for_the_network() -> None:
    dense = network_problem().dense
    estimates = [hutchplusplus_trace(dense, 12, seed) for seed in range(400)]
    assert 0.91 < coverage(estimates, float(dense.trace())) < 0.985


@pytest.mark.parametrize(("n_products", "n_probes"), [(3, 1), (12, 4), (13, 5), (14, 6)])
def test_all_products_are_made_and_the_remainder_are_probes(n_products: int, n_probes: int) -> None:
    operator = network_problem().operator()
    estimate = hutchplusplus_trace(operator, n_products, seed=5)
    assert operator.n_products == estimate.n_products == n_products
    assert (estimate.n_probes, estimate.method, estimate.seed) == (n_probes, "hutchplusplus", 5)
    assert estimate.standard_error > 0
    assert estimate == hutchplusplus_trace(network_problem().operator(), n_products, seed=5)


@pytest.mark.parametrize("eigenvalues", [[], [3.0, -2.0, 1.0], [-5.0] * 4])
def test_exact_for_low_rank(eigenvalues: list[float]) -> None:
    matrix = rotated(torch.tensor(eigenvalues + [0.0] * (40 - len(eigenvalues))), 1)
    estimate = hutchplusplus_trace(matrix, 15, seed=0)
    assert estimate.value == pytest.approx(sum(eigenvalues), abs=1e-12)
    assert estimate.standard_error < 1e-12


def test_exact_for_a_sketch_of_the_whole_space() -> None:
    matrix = rotated(torch.linspace(-1, 2, 10), 0)
    estimate = hutchplusplus_trace(matrix, 32, seed=0)
    assert estimate.value == pytest.approx(float(matrix.trace()), abs=1e-12)
    assert estimate.standard_error < 1e-12


@pytest.mark.parametrize(
    ("matrix", "n_products", "reason"),
    [
        (torch.eye(2), 2, "on 2 parameters needs 3 to 8 products, got 2"),
        (torch.eye(2), 9, "on 2 parameters needs 3 to 8 products, got 9"),
        (torch.full((4, 4), torch.nan), 6, "not finite"),
    ],
)
def test_errors(matrix: Tensor, n_products: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        hutchplusplus_trace(matrix.double(), n_products, seed=0)
