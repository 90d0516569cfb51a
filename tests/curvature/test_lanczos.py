"""Lanczos on matrices with known spectra and on the network's dense Hessian."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from curvature.known_spectrum import OUTLIERS, P, outliers_over_bulk
from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.lanczos import lanczos, lanczos_in_step
from curvature_mtl.curvature.trace import rademacher


@settings(derandomize=True, deadline=None, max_examples=40)
@given(spectrum=st.lists(st.integers(-9, 9), min_size=1, max_size=20), scale=st.sampled_from([1e-12, 1.0, 1e12]))
def test_ends_at_the_invariant_subspace_with_the_distinct_eigenvalues(spectrum: list[int], scale: float) -> None:
    eigenvalues = scale * torch.tensor(spectrum, dtype=torch.float64)
    run = lanczos(torch.diag(eigenvalues), torch.ones(len(spectrum)), steps=30)
    distinct, counts = np.unique(spectrum, return_counts=True)
    np.testing.assert_allclose(run.ritz_values, scale * distinct, atol=1e-10 * scale)
    np.testing.assert_allclose(run.weights, counts / len(spectrum), atol=1e-10)
    assert run.residuals.max() <= 1e-10 * scale


def test_an_eigenvector_as_start_takes_one_step() -> None:
    matrix = torch.diag(torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64))
    run = lanczos(matrix, torch.tensor([0.0, 0.0, 5.0]), steps=3)
    assert run.alphas.tolist() == [2.0]
    assert run.betas.tolist() == [0.0]


def test_rounding_noise_is_not_taken_for_a_direction() -> None:
    matrix = rotated(torch.tensor([-2.0, 0.5, 1.0, 3.0]).repeat(10), 3)
    run = lanczos(matrix, rademacher(40, 1, seed=0)[0], steps=20)
    np.testing.assert_allclose(run.ritz_values, [-2, 0.5, 1, 3], atol=1e-12)
    assert run.betas[-1] < 1e-12


@pytest.mark.parametrize(("centre", "width"), [(0, 1.0), (1, 1e-6)])
def test_no_copies_of_outliers(centre: float, width: float) -> None:
    spread = rotated(torch.cat([torch.tensor([100.0, 50.0, -30.0]), torch.linspace(-1, 1, 197)]), 0)
    # A narrow spectrum far from 0 cancels most digits of each step: one reorthogonalisation is not enough there.
    run = lanczos(centre * torch.eye(200, dtype=torch.float64) + width * spread, torch.ones(200), steps=120)
    found = (run.ritz_values - centre) / width
    np.testing.assert_allclose(found[np.abs(found) > 1.5], [-30, 50, 100], atol=1e-6)


@pytest.mark.parametrize("steps", [30, 50, 100])
@pytest.mark.parametrize(("least", "bulk"), [(3, 0.05), (10, 0.3)])
def test_of_20_outliers_over_an_indefinite_bulk_20_are_found_though_products_are_in_float32(
    least: float, bulk: float, steps: int
) -> None:
    operator = outliers_over_bulk(least, bulk)
    outliers = np.sort(operator.eigenvalues)[-OUTLIERS:]
    for start in rademacher(P, 3, seed=0):
        found = lanczos(operator, start, steps).ritz_values
        assert int((found > 0.7 * least).sum()) == OUTLIERS
        np.testing.assert_allclose(found[-OUTLIERS:], outliers, rtol=1e-5 if steps > 30 else 0.02)


def test_without_reorthogonalisation_there_would_be_twice_as_many() -> None:
    operator, steps = outliers_over_bulk(), 50
    alphas, betas, before, direction = [], [0.0], np.zeros(P, np.float32), np.full(P, P**-0.5, np.float32)
    for _ in range(steps):
        rest = (operator @ torch.from_numpy(direction)).numpy() - np.float32(betas[-1]) * before
        alphas.append(rest @ direction)
        rest = rest - alphas[-1] * direction
        betas.append(float(np.linalg.norm(rest)))
        before, direction = direction, rest / np.float32(betas[-1])
    found = eigh_tridiagonal(np.array(alphas, float), np.array(betas[1:-1]), eigvals_only=True)
    assert int((found > 2).sum()) > 1.9 * OUTLIERS


@pytest.mark.parametrize("steps", [1, 2, 5, 12])
def test_quadrature_is_exact_up_to_degree_2m_minus_1(steps: int) -> None:
    matrix = rotated(torch.linspace(-1, 1, 40), 1)
    v = rademacher(40, 1, seed=3)[0]
    run = lanczos(matrix, v, steps)
    for degree in range(2 * steps):
        moment = float(v @ torch.linalg.matrix_power(matrix, degree) @ v) / 40
        assert run.weights @ run.ritz_values**degree == pytest.approx(moment, abs=1e-13)


def test_an_eigenvalue_lies_within_each_residual() -> None:
    problem = network_problem()
    eigenvalues = torch.linalg.eigvalsh(problem.dense).numpy()
    run = lanczos(problem.operator(), rademacher(len(eigenvalues), 1, seed=0)[0], steps=12)
    distances = np.abs(run.ritz_values[:, None] - eigenvalues[None, :]).min(axis=1)
    assert run.residuals.max() > 1e-4
    assert (distances <= run.residuals + 1e-12).all()


def test_ritz_vectors_are_orthonormal_and_have_the_stated_residuals() -> None:
    problem = network_problem()
    run = lanczos(problem.dense, rademacher(len(problem.dense), 1, seed=0)[0], steps=12)
    chosen = np.array([11, 0, 5])
    vectors = run.ritz_vectors(chosen)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(3, dtype=torch.float64), atol=1e-12, rtol=0)
    rest = problem.dense @ vectors - vectors * torch.from_numpy(run.ritz_values[chosen])
    np.testing.assert_allclose(torch.linalg.vector_norm(rest, dim=0), run.residuals[chosen], atol=1e-10)


def test_processes_in_step_give_what_each_gives_alone() -> None:
    problem = network_problem()
    eigenvector = torch.linalg.eigh(problem.dense).eigenvectors[:, 0]
    starts = [*rademacher(len(problem.dense), 3, seed=0), eigenvector]
    operator = problem.operator()
    together = lanczos_in_step(operator, starts, steps=9)
    assert operator.n_products == sum(len(run.alphas) for run in together)
    for run, start in zip(together, starts, strict=True):
        alone = lanczos(problem.operator(), start, steps=9)
        np.testing.assert_allclose(run.alphas, alone.alphas, atol=1e-12)
        np.testing.assert_allclose(run.betas, alone.betas, atol=1e-12)


def test_weights_sum_to_one_and_shapes_agree() -> None:
    problem = network_problem()
    run = lanczos(problem.dense, rademacher(len(problem.dense), 1, seed=1)[0], steps=7)
    shapes = {array.shape for array in (run.alphas, run.betas, run.ritz_values, run.weights, run.residuals)}
    assert shapes == {(7,)}
    assert (np.diff(run.ritz_values) > 0).all()
    assert run.weights.sum() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize(
    ("matrix", "start", "steps", "reason"),
    [
        (torch.eye(2, dtype=torch.float64), torch.ones(2), 0, "at least 1 step"),
        (torch.eye(2, dtype=torch.float64), torch.zeros(2), 1, "other than zero"),
        (torch.full((2, 2), torch.nan, dtype=torch.float64), torch.ones(2), 2, "step 1: the product is not finite"),
    ],
)
def test_errors(matrix: Tensor, start: Tensor, steps: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        lanczos(matrix, start, steps)


def test_the_basis_stays_orthogonal_though_products_are_in_float32() -> None:
    run = lanczos(outliers_over_bulk(), rademacher(P, 1, seed=0)[0], steps=100)
    assert run.orthogonality_loss < 1e-13


@given(angle=st.floats(1e-6, 1e-2))
def test_lost_orthogonality_is_the_largest_cosine_between_basis_vectors(angle: float) -> None:
    run = lanczos(torch.diag(torch.arange(1.0, 7, dtype=torch.float64)), torch.ones(6), steps=4)
    turned = run.basis.clone()
    turned[3] = np.cos(angle) * run.basis[3] + np.sin(angle) * run.basis[0]
    assert replace(run, basis=turned).orthogonality_loss == pytest.approx(np.sin(angle))
