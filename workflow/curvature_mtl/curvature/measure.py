"""All that is measured of each task's curvature at one model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from curvature_mtl.curvature.conflict import TaskVectors
from curvature_mtl.curvature.gradient_noise import NoiseEstimate, gradient_noise
from curvature_mtl.curvature.krylov_trace import krylov_trace
from curvature_mtl.curvature.lanczos import Lanczos
from curvature_mtl.curvature.operator import asymmetry
from curvature_mtl.curvature.quantities import (
    Quantity,
    block_traces,
    ggn_trace,
    gradient_quantities,
    parameter_blocks,
    quantity_table,
    spectrum_quantities,
)
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.spectral_density import extremal_eigenvalues, slq
from curvature_mtl.curvature.trace import TraceEstimate, mean_and_error, rademacher
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.losses import squared_error, task_sums
from curvature_mtl.models.network import Network

# Error, relative to the value, up to which a number is said to have settled.
SETTLED = 0.1
# Rounding in float32 makes Hessians asymmetric by 1e-7 to 1e-6; a wrong rule for a layer, by 1e-3 and more.
MOST_ASYMMETRY = 1e-4
# The root of float64's rounding error; reorthogonalised bases stay below 1e-11. See `Lanczos.orthogonality_loss`.
MOST_ORTHOGONALITY_LOSS = 1e-8


@dataclass(frozen=True)
class Problem:
    """Tasks' mean squared errors of their standardised targets on the same graphs, as functions of a network's trunk.

    Attributes:
        network: the network.
        batches: training graphs, with a label of at least one of the tasks.
        small_batches: the same graphs in random order, a few a batch, for the scatter of gradients.
        columns: the tasks' numbers among the network's tasks.
    """

    network: Network
    batches: Sequence[GraphBatch]
    small_batches: Sequence[GraphBatch]
    columns: Sequence[int]

    def hessian(self) -> MultiTaskHessian:
        """Return the Hessians of the tasks."""
        return MultiTaskHessian(self.network, self.batches, tasks=self.columns)

    def ggn(self) -> MultiTaskGGN:
        """Return the Gauss-Newton matrices of the tasks."""
        return MultiTaskGGN(self.network, self.batches, tasks=self.columns)

    def gradient_noise(self, column: int) -> NoiseEstimate:
        """Return the trace of the covariance of single graphs' gradients of a task's loss."""
        parameters = list(self.network.trunk.parameters())
        return gradient_noise(self.network, parameters, squared_errors, self.small_batches, column)


def squared_errors(network: nn.Module, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Return each task's summed squared error [tasks] and number of labelled graphs [tasks]."""
    return task_sums(network(batch), batch.y, squared_error)


@dataclass(frozen=True)
class TaskMeasurement:
    """What the products with one task's Hessian have given.

    Attributes:
        row: loss, n_graphs, lambda_max and lambda_min with residuals, trace with its standard error, whether these
            are `settled`, the Hessian's `operator.asymmetry`, the bases' `Lanczos.orthogonality_loss`, n_products.
        ritz: the Ritz values: probe, ritz_value, weight, residual.
        quantities: one row a quantity.
        vectors: what is compared with other tasks of the network.
    """

    row: dict[str, Any]
    ritz: pd.DataFrame
    quantities: pd.DataFrame
    vectors: TaskVectors


def measure_tasks(
    problem: Problem, gradients: Tensor, settings: CurvatureSettings, seed: int, wanted: Sequence[int]
) -> Iterator[TaskMeasurement]:
    """Yield the measurement of each wanted task, from probes drawn from `seed`: the same for all, so that they compare.

    First comes what all tasks share, then one task's Lanczos runs after the other's.

    Args:
        problem: the tasks at one model.
        gradients: of all tasks that share the network [tasks, p].
        settings: how many products to take.
        seed: of the probes.
        wanted: places of the wanted tasks in `problem.columns`.
    """
    shared = _Shared(problem, gradients, settings, seed)
    for task in wanted:
        yield shared.measure(task)


class _Shared:
    """Products and quadratic forms of all tasks with the same vectors."""

    def __init__(self, problem: Problem, gradients: Tensor, settings: CurvatureSettings, seed: int):
        self.problem, self.settings = problem, settings
        self.hessian = problem.hessian()
        starts, products, forms = settings.density_probes, settings.trace_probes, settings.quadratic_forms
        probes = rademacher(self.hessian.shape[0], starts + products + forms, seed)
        # Lanczos starts stand apart: the trace is estimated from probes that the Krylov spaces do not depend on.
        self.starts, self.probes = probes[:starts], probes[starts:]
        self.product_probes = self.probes[:products]
        self.products = self.hessian.products(self.product_probes.T)
        self.asymmetry = asymmetry(self.product_probes.T, self.products)
        known = (self.products * self.product_probes.T).sum(1)
        self.forms = torch.cat([known, self.hessian.quadratic_forms(self.probes[products:].T)], dim=1)
        self.ggn_forms = problem.ggn().quadratic_forms(self.probes.T)
        self.gradient_products = self.hessian.products(gradients.T)
        self.gradients, self.losses = self.hessian.gradients(), self.hessian.losses()
        self.n_products = len(self.probes) + len(gradients)

    def measure(self, task: int) -> TaskMeasurement:
        """Run Lanczos on the task's Hessian, and put together what is known of the task."""
        runs = slq(self.hessian.task(task), self.starts, self.settings.lanczos_steps)
        trace = krylov_trace(runs, self.probes, self.forms[task])
        largest, smallest = extremal_eigenvalues(runs)
        row = {
            "loss": float(self.losses[task]),
            "n_graphs": int(self.hessian.n_graphs[task]),
            "lambda_max": largest.value,
            "lambda_max_residual": largest.residual,
            "lambda_max_settled": settled(*largest),
            "lambda_min": smallest.value,
            "lambda_min_residual": smallest.residual,
            "lambda_min_settled": settled(*smallest),
            "trace": trace.value,
            "trace_se": trace.standard_error,
            "trace_settled": settled(trace.value, trace.standard_error),
            "asymmetry": float(self.asymmetry[task]),
            "orthogonality_loss": max(run.orthogonality_loss for run in runs),
            "n_products": self.n_products + sum(len(run.alphas) for run in runs),
        }
        products, gradient = self.products[task], self.gradients[task]
        noise = self.problem.gradient_noise(self.problem.columns[task])
        quantities: list[Quantity] = [
            *block_traces(self.product_probes, products, parameter_blocks(self.problem.network.trunk)),
            *spectrum_quantities(products, runs),
            ggn_trace(_mean_of(self.ggn_forms[task])),
            *gradient_quantities(gradient, noise, trace),
        ]
        top = top_ritz_vectors(runs[0], self.settings.top_eigenvectors)
        vectors = TaskVectors(products, top, gradient, self.gradient_products[task])
        return TaskMeasurement(row, ritz_table(runs), quantity_table(quantities), vectors)


def settled(value: float, error: float) -> bool:
    """Return whether an estimate's error is at most a tenth of it."""
    return error <= SETTLED * abs(value)


def objections(row: Mapping[str, Any]) -> list[str]:
    """Return what makes the numbers of a row doubtful as a whole, beyond their stated errors."""
    found = []
    if not row["asymmetry"] <= MOST_ASYMMETRY:
        found.append(
            f"the Hessian is not symmetric: |H - H'| / |H| = {row['asymmetry']:.1g}, not some 1e-7 as rounding"
        )
    if not row["orthogonality_loss"] <= MOST_ORTHOGONALITY_LOSS:
        loss = row["orthogonality_loss"]
        found.append(f"Lanczos lost orthogonality: |Q'Q - I| = {loss:.1g}; eigenvalues may come several times")
    return found


def _mean_of(forms: Tensor) -> TraceEstimate:
    value, error = mean_and_error(forms)
    return TraceEstimate(value, error, n_products=len(forms), n_probes=len(forms))


def ritz_table(runs: list[Lanczos]) -> pd.DataFrame:
    """Return the Ritz values of all runs: probe, ritz_value, weight, residual."""
    tables = [
        pd.DataFrame({"probe": k, "ritz_value": r.ritz_values, "weight": r.weights, "residual": r.residuals})
        for k, r in enumerate(runs)
    ]
    return pd.concat(tables, ignore_index=True)


def top_ritz_vectors(run: Lanczos, k: int) -> Tensor:
    """Return the Ritz vectors [p, k] of the k Ritz values largest in size."""
    return run.ritz_vectors(np.argsort(-np.abs(run.ritz_values), kind="stable")[:k])


def subset_of(training_graphs: np.ndarray, labelled: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return `size` labelled training graphs (all, if there are fewer), drawn from `seed`, in ascending order.

    The order of the draw does not depend on the labels, so that tasks with the same labelled graphs share them,
    and others share as many as they can.

    Args:
        training_graphs: numbers of the graphs [n].
        labelled: for each graph of the store, whether it has a label of the task [graphs].
        size: how many are wanted.
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).permutation(training_graphs)
    return np.sort(drawn[labelled[drawn]][:size])
