"""Every implementation of the operators, and the estimators on them, against dense matrices of real graphs.

Molecules and alloys of the sample, labels by its engines, a network of some hundred trunk parameters, float64; labels
are missing, of one task those of a whole batch.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from curvature.implementations import CURVATURES, IMPLEMENTATIONS, all_tasks
from curvature.sample_problems import ABSENT, MASKED, N_TASKS, PROBLEMS
from curvature_mtl.curvature.eigenpairs import Which, eigenpairs
from curvature_mtl.curvature.hutchplusplus import hutchplusplus_trace
from curvature_mtl.curvature.norms import spectral_moments
from curvature_mtl.curvature.operator import SymmetricOperator
from curvature_mtl.curvature.spectral_density import slq
from curvature_mtl.curvature.sphere import SphereSamples, sphere
from curvature_mtl.curvature.trace import TraceEstimate, hutchinson_trace, rademacher
from curvature_mtl.curvature.xtrace import xtrace

SEEDS = 100
# Beyond three standard errors: that exact estimates, with errors of zero, are rounded.
ROUNDING = 1e-12

on_both_sets = pytest.mark.parametrize("data", PROBLEMS)
of_both_kinds = pytest.mark.parametrize("curvature", CURVATURES)
by_each = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def operator_of(data: str, curvature: str, implementation: str, task: int) -> SymmetricOperator:
    problem = PROBLEMS[data]()
    return IMPLEMENTATIONS[implementation](problem.network, problem.batches, curvature, task)


@cache
def spectrum(data: str, curvature: str, task: int) -> np.ndarray:
    """Return the eigenvalues of the dense matrix, ascending."""
    return torch.linalg.eigvalsh(PROBLEMS[data]().dense(curvature)[task]).numpy()


def random_block(p: int, k: int) -> Tensor:
    return torch.randn(p, k, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def columns_off(found: Tensor, expected: Tensor) -> float:
    """Return the largest relative error [.., p, k] of a column."""
    norm = torch.linalg.vector_norm
    return float((norm(found - expected, dim=-2) / norm(expected, dim=-2)).max())


class TestTheProblems:
    @on_both_sets
    def test_labels_are_missing_and_of_one_task_those_of_a_batch(self, data: str) -> None:
        labelled = torch.stack([(~torch.isnan(batch.y)).sum(0) for batch in PROBLEMS[data]().batches])
        assert labelled[:, 0].tolist() == [6, 6]
        assert labelled[:, MASKED].tolist() == [4, 4]
        assert labelled[:, ABSENT].tolist() == [0, 6]

    @on_both_sets
    def test_trunks_have_some_hundred_parameters_and_hessians_eigenvalues_of_both_signs(self, data: str) -> None:
        assert 300 < PROBLEMS[data]().p < 900
        for task in range(N_TASKS):
            eigenvalues = spectrum(data, "hessian", task)
            assert eigenvalues[9] < -1e-3 < 1e-3 < eigenvalues[-10]
            assert spectrum(data, "ggn", task)[0] > -1e-15

    @on_both_sets
    def test_dense_hessians_are_symmetric(self, data: str) -> None:
        hessians = PROBLEMS[data]().hessians
        torch.testing.assert_close(hessians, hessians.mT, rtol=0, atol=1e-14)


class TestProducts:
    @by_each
    @of_both_kinds
    @on_both_sets
    @pytest.mark.parametrize("task", range(N_TASKS))
    def test_equal_the_dense_matrix(self, data: str, curvature: str, implementation: str, task: int) -> None:
        operator, dense = operator_of(data, curvature, implementation, task), PROBLEMS[data]().dense(curvature)[task]
        block = random_block(len(dense), 4)
        assert columns_off(operator @ block, dense @ block) < 1e-10
        assert columns_off((operator @ block[:, 1]).unsqueeze(1), dense @ block[:, 1:2]) < 1e-10

    @of_both_kinds
    @on_both_sets
    def test_of_all_tasks_at_once(self, data: str, curvature: str) -> None:
        problem = PROBLEMS[data]()
        operators, dense = all_tasks(problem.network, problem.batches, curvature), problem.dense(curvature)
        block = random_block(problem.p, 3)
        assert operators.shape == dense.shape[1:]
        assert columns_off(operators.products(block), dense @ block) < 1e-10
        paired = torch.stack([dense[t] @ column for t, column in zip((2, 0, 1), block.T, strict=True)], dim=1)
        assert columns_off(operators.paired_products(block, [2, 0, 1]), paired) < 1e-10
        forms = torch.einsum("pk,tpq,qk->tk", block, dense, block)
        torch.testing.assert_close(operators.quadratic_forms(block), forms, rtol=1e-10, atol=1e-12)


class TestEigenvalues:
    @by_each
    @of_both_kinds
    @on_both_sets
    def test_the_ten_largest_in_size(self, data: str, curvature: str, implementation: str) -> None:
        self.check("magnitude", data, curvature, operator_of(data, curvature, implementation, ABSENT))

    @pytest.mark.parametrize("which", ["largest", "smallest"])
    @on_both_sets
    def test_the_ten_at_both_ends(self, data: str, which: Which) -> None:
        self.check(which, data, "hessian", operator_of(data, "hessian", "shared trunk", ABSENT))

    def check(self, which: Which, data: str, curvature: str, operator: SymmetricOperator) -> None:
        eigenvalues = spectrum(data, curvature, ABSENT)
        merit = {"magnitude": np.abs(eigenvalues), "largest": eigenvalues, "smallest": -eigenvalues}[which]
        expected = eigenvalues[np.argsort(-merit)[:10]]
        found = eigenpairs(operator, 10, which, tolerance=1e-6).values.numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(eigenvalues).max())


def on_the_sphere(operator: SymmetricOperator, seed: int) -> TraceEstimate:
    probes = sphere(operator.shape[0], 10, seed).T
    samples = SphereSamples.of_products(probes, operator @ probes, operator.shape[0])
    return TraceEstimate(samples.mean(), samples.standard_error(), len(samples), len(samples))


# Each with at least 10 probes. Ten of signs are too few where one eigenvalue is nearly all of the trace, as in these
# Gauss-Newton matrices: 92 to 98 of 100 seeds are within three errors. The study takes 16.
TRACES: dict[str, Callable[[SymmetricOperator, int], TraceEstimate]] = {
    "signs": lambda operator, seed: hutchinson_trace(operator, rademacher(operator.shape[0], 16, seed)),
    "sphere": on_the_sphere,
    "hutchplusplus": lambda operator, seed: hutchplusplus_trace(operator, 30, seed),
    "xtrace": lambda operator, seed: xtrace(operator, 20, seed),
}


class TestTrace:
    @pytest.mark.parametrize("estimator", TRACES)
    @of_both_kinds
    @on_both_sets
    @pytest.mark.parametrize("task", [ABSENT, *(pytest.param(task, marks=pytest.mark.slow) for task in (0, MASKED))])
    def test_within_three_standard_errors_in_95_of_100_seeds(
        self, data: str, curvature: str, estimator: str, task: int
    ) -> None:
        """On the dense matrix, whose products are the operators'."""
        dense = PROBLEMS[data]().dense(curvature)[task]
        truth = float(dense.trace())
        estimates = [TRACES[estimator](dense, seed) for seed in range(SEEDS)]
        within = [abs(e.value - truth) <= 3 * e.standard_error + ROUNDING * abs(truth) for e in estimates]
        assert sum(within) >= 95

    @pytest.mark.parametrize("estimator", TRACES)
    @by_each
    def test_from_the_operator_it_is_that_from_the_dense_matrix(self, implementation: str, estimator: str) -> None:
        operator = operator_of("molecules", "hessian", implementation, ABSENT)
        found = TRACES[estimator](operator, 0)
        expected = TRACES[estimator](PROBLEMS["molecules"]().hessians[ABSENT], 0)
        assert found.value == pytest.approx(expected.value, rel=1e-8)
        assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-8)


class TestMoments:
    """Of the density of 0 to 4th degree: tr(H^d) / p."""

    @of_both_kinds
    @on_both_sets
    def test_within_three_standard_errors_in_95_of_100_seeds(self, data: str, curvature: str) -> None:
        """From 20 probes each; from 10, of higher moments, which the largest eigenvalue makes, 87 to 97 are."""
        dense, n = PROBLEMS[data]().dense(curvature)[ABSENT], 20
        runs = slq(dense, rademacher(len(dense), n * SEEDS, seed=0), steps=3)
        truth = np.array([(spectrum(data, curvature, ABSENT) ** degree).mean() for degree in range(5)])
        within = np.zeros(5)
        for own in (runs[i : i + n] for i in range(0, len(runs), n)):
            moments, errors = spectral_moments([run.ritz_values for run in own], [run.weights for run in own])
            within += np.abs(moments - truth) <= 3 * errors + ROUNDING * np.abs(truth)
        assert (within >= 95).all()

    @by_each
    @of_both_kinds
    @on_both_sets
    def test_from_the_operator_they_are_those_of_the_probes(
        self, data: str, curvature: str, implementation: str
    ) -> None:
        """With m steps the quadrature of a probe v is exact for v . H^d v up to d = 2m - 1."""
        dense = PROBLEMS[data]().dense(curvature)[ABSENT]
        probes = rademacher(len(dense), 2, seed=0)
        runs = slq(operator_of(data, curvature, implementation, ABSENT), probes, steps=3)
        moments, _ = spectral_moments([run.ritz_values for run in runs], [run.weights for run in runs])
        powers = [probes @ torch.linalg.matrix_power(dense, degree) @ probes.T for degree in range(5)]
        expected = [float(power.diagonal().mean()) / len(dense) for power in powers]
        np.testing.assert_allclose(moments, expected, rtol=1e-9)
