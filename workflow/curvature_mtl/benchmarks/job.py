"""The whole job: every task's spectrum by Lanczos, and every task's trace; ours run, a peer's products counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from curvature_mtl.benchmarks.problem import Problem
from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.benchmarks.stopwatch import timed
from curvature_mtl.curvature.krylov_trace import krylov_trace
from curvature_mtl.curvature.lanczos import Lanczos, lanczos_in_step
from curvature_mtl.curvature.shared_trunk import MultiTaskHessian
from curvature_mtl.curvature.trace import rademacher

# All Lanczos vectors of so many tasks are in memory at a time.
TASKS_IN_STEP = 4
PROBES_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Traces:
    """Every task's trace, from Krylov spaces and from probes of random signs that all tasks share.

    Attributes:
        values: the estimates [tasks].
        standard_errors: theirs [tasks].
        variances: of v' H_t v over the probes [tasks].
        n_probes: their number.
    """

    values: np.ndarray
    standard_errors: np.ndarray
    variances: np.ndarray
    n_probes: int


@dataclass(frozen=True, eq=False)
class Job:
    """What our job gave, and what it took.

    Attributes:
        ritz_values: of each task and start [tasks][probes], ascending.
        traces: of all tasks.
        lanczos_s: seconds of Lanczos, of those of the whole.
    """

    ritz_values: list[list[np.ndarray]]
    traces: Traces
    lanczos_s: float


def run_job(problem: Problem, settings: BenchmarkSettings) -> Job:
    """Run ours, whole, with as many trace probes as the settings have."""
    hessian = MultiTaskHessian(problem.network, problem.batches(settings.batch_sizes[0]))
    # Other probes than the starts of Lanczos, which would bias the traces.
    probes = rademacher(hessian.shape[0], settings.trace_probes, settings.seed + 1)
    groups = torch.arange(hessian.n_tasks).split(TASKS_IN_STEP)
    steps = math.ceil(len(probes) / PROBES_AT_ONCE) + len(groups) * settings.lanczos_steps
    lanczos_s, ritz_values, found = 0.0, [], []
    with tqdm(total=steps, unit="step", disable=None, desc="our job") as bar:
        forms = quadratic_forms(hessian, probes, bar)
        for tasks in groups:
            runs, seconds = timed(partial(spectra, hessian, tasks.tolist(), problem.vectors, settings, bar))
            lanczos_s += seconds
            for task, own in zip(tasks.tolist(), runs, strict=True):
                ritz_values.append([run.ritz_values for run in own])
                found.append(krylov_trace(own, probes, forms[task]))
    traces = Traces(
        values=np.array([trace.value for trace in found]),
        standard_errors=np.array([trace.standard_error for trace in found]),
        variances=forms.var(1).numpy(),
        n_probes=len(probes),
    )
    return Job(ritz_values, traces, lanczos_s)


def quadratic_forms(hessian: MultiTaskHessian, probes: Tensor, bar: "tqdm[Any]") -> Tensor:
    """Return v' H_t v [tasks, n] of the probes v [n, p]."""
    forms = []
    for some in probes.split(PROBES_AT_ONCE):
        forms.append(hessian.quadratic_forms(some.T))
        bar.update()
    return torch.cat(forms, dim=1)


@dataclass(frozen=True, eq=False)
class _EachItsTask:
    """The operator whose product with a block takes each column times the Hessian of the column's task."""

    hessian: MultiTaskHessian
    tasks: Sequence[int]
    bar: "tqdm[Any]"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.hessian.shape

    def __matmul__(self, vectors: Tensor) -> Tensor:
        self.bar.update()
        return self.hessian.paired_products(vectors, self.tasks)


def spectra(
    hessian: MultiTaskHessian, tasks: Sequence[int], starts: Tensor, settings: BenchmarkSettings, bar: "tqdm[Any]"
) -> list[list[Lanczos]]:
    """Run Lanczos from each of the starts [p, k] for each of the tasks, all in step."""
    k = starts.shape[1]
    operator = _EachItsTask(hessian, [task for task in tasks for _ in range(k)], bar)
    runs = lanczos_in_step(operator, list(starts.T) * len(tasks), settings.lanczos_steps)
    return [runs[first : first + k] for first in range(0, len(runs), k)]


def probes_for_equal_errors(traces: Traces, relative_error: float) -> np.ndarray:
    """Return how many probes of random signs [tasks] give Hutchinson's plain estimator the errors that we have reached.

    No smaller error is asked for than the relative error of the trace; nor than that of one probe's standard
    deviation, which takes 1 / relative_error^2 probes: where the trace is nearer to 0 than that, an error relative
    to the trace would ask for any number of probes.
    """
    errors = np.maximum(traces.standard_errors, relative_error * np.abs(traces.values))
    most = math.ceil(relative_error**-2)
    return np.minimum(np.ceil(traces.variances / errors**2), most).astype(int)
