"""All that is measured of one task's curvature at one model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from curvature_mtl.curvature.conflict import TaskVectors
from curvature_mtl.curvature.gradient_noise import NoiseEstimate, gradient_noise
from curvature_mtl.curvature.lanczos import Lanczos
from curvature_mtl.curvature.operator import TaskGGN, TaskHessian
from curvature_mtl.curvature.quantities import (
    Quantity,
    block_traces,
    ggn_trace,
    gradient_quantities,
    parameter_blocks,
    quantity_table,
)
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.curvature.spectral_density import extremal_eigenvalues, slq
from curvature_mtl.curvature.trace import hutchinson_trace, rademacher, trace_of_products
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Network
from curvature_mtl.training.losses import squared_error, task_sums


@dataclass(frozen=True)
class TaskProblem:
    """One task's mean squared error of the standardised target, as a function of a network's trunk.

    Attributes:
        network: the network.
        batches: its training graphs.
        small_batches: the same graphs in random order, a few a batch, for the scatter of gradients.
        column: the task's number among the network's tasks.
    """

    network: Network
    batches: Sequence[GraphBatch]
    small_batches: Sequence[GraphBatch]
    column: int

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The trunk's parameters."""
        return list(self.network.trunk.parameters())

    def hessian(self) -> TaskHessian:
        """Return the Hessian operator."""
        return TaskHessian(self.network, self.parameters, squared_errors, self.batches, self.column)

    def ggn(self) -> TaskGGN:
        """Return the Gauss-Newton operator."""
        return TaskGGN(self.network, self.parameters, predict, squared_errors_of, self.batches, self.column)

    def gradient_noise(self) -> NoiseEstimate:
        """Return the trace of the covariance of single graphs' gradients."""
        return gradient_noise(self.network, self.parameters, squared_errors, self.small_batches, self.column)


def predict(network: nn.Module, batch: GraphBatch) -> Tensor:
    """Return standardised predictions [graphs, tasks]."""
    return network(batch)


def squared_errors_of(prediction: Tensor, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Return each task's summed squared error [tasks] and number of labelled graphs [tasks]."""
    return task_sums(prediction, batch.y, squared_error)


def squared_errors(network: nn.Module, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Return each task's summed squared error [tasks] and number of labelled graphs [tasks]."""
    return squared_errors_of(predict(network, batch), batch)


@dataclass(frozen=True)
class TaskMeasurement:
    """What the products with one task's Hessian have given.

    Attributes:
        row: loss, n_graphs, lambda_max and lambda_min with residuals, trace with its standard error, n_products.
        ritz: the Ritz values: probe, ritz_value, weight, residual.
        quantities: one row a quantity.
        vectors: what is compared with other tasks of the network.
    """

    row: dict[str, Any]
    ritz: pd.DataFrame
    quantities: pd.DataFrame
    vectors: TaskVectors


def measure_task(problem: TaskProblem, gradients: Tensor, settings: CurvatureSettings, seed: int) -> TaskMeasurement:
    """Estimate trace, spectrum and more from probes drawn from `seed`: equal for all tasks, so that they compare.

    Args:
        problem: the task at one model.
        gradients: of all tasks that share the network [tasks, p].
        settings: how many products to take.
        seed: of the probes.
    """
    hessian = problem.hessian()
    probes = rademacher(hessian.shape[0], max(settings.density_probes, settings.trace_probes), seed)
    trace_probes = probes[: settings.trace_probes]
    products = hessian @ trace_probes.T
    trace = trace_of_products(trace_probes, products)
    runs = slq(hessian, probes[: settings.density_probes], settings.lanczos_steps)
    largest, smallest = extremal_eigenvalues(runs)
    row = {
        "loss": hessian.loss(),
        "n_graphs": hessian.n_graphs,
        "lambda_max": largest.value,
        "lambda_max_residual": largest.residual,
        "lambda_min": smallest.value,
        "lambda_min_residual": smallest.residual,
        "trace": trace.value,
        "trace_se": trace.standard_error,
    }
    gradient = hessian.gradient()
    quantities: list[Quantity] = [
        *block_traces(trace_probes, products, parameter_blocks(problem.network.trunk)),
        # The Gauss-Newton matrix has no eigenvalues of either sign that cancel: half the probes are enough.
        ggn_trace(hutchinson_trace(problem.ggn(), trace_probes[: max(2, settings.trace_probes // 2)])),
        *gradient_quantities(gradient, problem.gradient_noise(), trace),
    ]
    top = top_ritz_vectors(runs[0], settings.top_eigenvectors)
    vectors = TaskVectors(products, top, gradient, hessian @ gradients.T)
    row["n_products"] = hessian.n_products
    return TaskMeasurement(row, ritz_table(runs), quantity_table(quantities), vectors)


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
