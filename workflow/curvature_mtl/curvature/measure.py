"""One task's curvature at one model: trace, extremal eigenvalues and the quadrature of its spectrum."""

from typing import Any

import numpy as np
import pandas as pd

from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.curvature.spectral_density import extremal_eigenvalues, slq
from curvature_mtl.curvature.trace import hutchinson_trace, rademacher


def measure_task(hessian: TaskHessian, settings: CurvatureSettings, seed: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Estimate trace and spectrum from probes drawn from `seed`: equal for all tasks, so that they compare.

    Returns:
        One row (loss, n_graphs, lambda_max and _min with residuals, trace with its standard error, n_products),
        and the Ritz values (probe, ritz_value, weight, residual).
    """
    probes = rademacher(hessian.shape[0], max(settings.density_probes, settings.trace_probes), seed)
    trace = hutchinson_trace(hessian, probes[: settings.trace_probes])
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
    ritz = pd.concat(
        [
            pd.DataFrame({"probe": k, "ritz_value": r.ritz_values, "weight": r.weights, "residual": r.residuals})
            for k, r in enumerate(runs)
        ],
        ignore_index=True,
    )
    return row, ritz


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
