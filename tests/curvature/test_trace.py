"""Hutchinson's trace and its standard error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.trace import hutchinson_trace, rademacher


def test_probes_are_signs_and_do_not_depend_on_their_number() -> None:
    many = rademacher(1000, 6, seed=5)
    assert many.dtype == torch.float64
    assert torch.equal(many.abs(), torch.ones(6, 1000, dtype=torch.float64))
    assert torch.equal(rademacher(1000, 2, seed=5), many[:2])
    assert rademacher(1000, 0, seed=5).shape == (0, 1000)
    # Other probes, and other seeds, are nearly orthogonal: standard deviation of the cosine is .03.
    probes = torch.cat([many, rademacher(1000, 6, seed=6)])
    cosines = probes @ probes.T / 1000 - torch.eye(12, dtype=torch.float64)
    assert cosines.abs().max() < 0.15


@settings(derandomize=True, deadline=None, max_examples=20)
@given(diagonal=st.lists(st.integers(-100, 100), min_size=1, max_size=30), seed=st.integers(0, 1000))
def test_exact_for_a_diagonal(diagonal: list[int], seed: int) -> None:
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    estimate = hutchinson_trace(matrix, rademacher(len(diagonal), 3, seed))
    assert (estimate.value, estimate.standard_error, estimate.n_products) == (sum(diagonal), 0, 3)


def test_errors_are_as_large_as_stated() -> None:
    matrix = rotated(torch.linspace(-1, 3, 60), 2)
    estimates = [hutchinson_trace(matrix, rademacher(60, 30, seed)) for seed in range(40)]
    z = np.array([(e.value - float(matrix.trace())) / e.standard_error for e in estimates])
    assert np.abs(z).max() < 4
    assert abs(z.mean()) < 4 / math.sqrt(40)
    assert 0.7 < z.std() < 1.4


def test_trace_of_the_network() -> None:
    problem = network_problem()
    operator = problem.operator()
    estimate = hutchinson_trace(operator, rademacher(operator.shape[0], 40, seed=0))
    assert abs(estimate.value - float(problem.dense.trace())) < 4 * estimate.standard_error
    assert estimate.n_products == operator.n_products == 40


def test_one_probe_knows_no_error_and_none_knows_nothing() -> None:
    matrix = torch.ones(3, 3, dtype=torch.float64)
    assert math.isnan(hutchinson_trace(matrix, rademacher(3, 1, seed=0)).standard_error)
    with pytest.raises(ValueError, match="at least one probe"):
        hutchinson_trace(matrix, rademacher(3, 0, seed=0))
