"""All that is measured of one task's Hessian at one model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from curvature_mtl.curvature.lanczos import Lanczos
from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.curvature.spectral_density import extremal_eigenvalues, slq
from curvature_mtl.curvature.trace import rademacher, trace_of_products


@dataclass(frozen=True)
class TaskMeasurement:
    """What the products with one task's Hessian have given.

    Attributes:
        row: loss, n_graphs, lambda_max and lambda_min with residuals, trace with its standard error, n_products.
        ritz: the Ritz values: probe, ritz_value, weight, residual.
        products: with the probes of the trace [p, probes].
        top: orthonormal Ritz vectors of the eigenvalues largest in size [p, k].
    """

    row: dict[str, Any]
    ritz: pd.DataFrame
    products: Tensor
    top: Tensor


def measure_task(hessian: TaskHessian, settings: CurvatureSettings, seed: int) -> TaskMeasurement:
    """Estimate trace and spectrum from probes drawn from `seed`: equal for all tasks, so that they compare."""
    probes = rademacher(hessian.shape[0], max(settings.density_probes, settings.trace_probes), seed)
    products = hessian @ probes[: settings.trace_probes].T
    trace = trace_of_products(probes[: settings.trace_probes], products)
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
        "n_products": hessian.n_products,
    }
    return TaskMeasurement(row, ritz_table(runs), products, top_ritz_vectors(runs[0], settings.top_eigenvectors))


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
