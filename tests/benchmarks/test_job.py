"""Our job gives what the operators give one by one, and a peer's job is counted from its errors."""

import numpy as np
import pytest
import torch

from curvature_mtl.benchmarks.job import Traces, probes_for_equal_errors, run_job
from curvature_mtl.benchmarks.problem import Problem
from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.curvature.lanczos import lanczos
from curvature_mtl.curvature.measure import squared_errors
from curvature_mtl.curvature.operator import TaskHessian


@pytest.fixture(scope="module")
def hessians(problem64: Problem) -> list[TaskHessian]:
    batches = problem64.batches(9)
    return [TaskHessian(problem64.network, problem64.trunk, squared_errors, batches, task) for task in range(2)]


def test_the_spectra_and_traces_are_those_of_each_task(
    problem64: Problem, small: BenchmarkSettings, hessians: list[TaskHessian]
) -> None:
    job = run_job(problem64, small)
    assert job.lanczos_s > 0
    for task, hessian in enumerate(hessians):
        for values, start in zip(job.ritz_values[task], problem64.vectors.T, strict=True):
            alone = lanczos(hessian, start, small.lanczos_steps)
            np.testing.assert_allclose(values, alone.ritz_values, rtol=1e-8, atol=1e-10)
        dense = hessian @ torch.eye(hessian.shape[0], dtype=torch.float64)
        assert abs(job.traces.values[task] - float(dense.trace())) < 4 * job.traces.standard_errors[task]
        # Hutchinson, Commun. Stat. Simul. 18, 1059, 1989: the variance of one probe of signs.
        variance = 2 * float((dense - torch.diag(dense.diag())).square().sum())
        assert job.traces.variances[task] == pytest.approx(variance, rel=1)


def needed(trace: float, error: float, variance: float) -> int:
    values: list[np.ndarray] = [np.array([number]) for number in (trace, error, variance)]
    return int(probes_for_equal_errors(Traces(*values, n_probes=7), relative_error=0.02)[0])


def test_a_peer_is_charged_for_our_error() -> None:
    assert needed(trace=-1, error=0.1, variance=4) == 400


def test_but_not_for_less_than_two_per_cent() -> None:
    assert needed(trace=-100, error=0.1, variance=400) == 100


def test_nor_for_less_than_two_per_cent_of_a_probes_standard_deviation() -> None:
    assert needed(trace=0, error=1e-6, variance=4) == 2500
