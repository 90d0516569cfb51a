"""A short measurement of all tasks at one point of a training: fewer products than `measure` takes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from curvature_mtl.curvature.deflated_trace import deflated_traces
from curvature_mtl.curvature.gradient_noise import NoiseEstimate, noise_of_sums
from curvature_mtl.curvature.krylov_trace import krylov_trace
from curvature_mtl.curvature.lanczos import lanczos
from curvature_mtl.curvature.settings import AlongTrainingSettings
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.spectral_density import extremal_eigenvalues
from curvature_mtl.curvature.trace import mean_and_error, rademacher
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.models.network import Network

COLUMNS = ["column", "quantity", "value", "error", "n_graphs", "n_products", "n_probes"]
GRAPHS_A_BATCH = 250
# Groups of graphs whose gradients are compared: their number bounds the memory.
NOISE_GROUPS = 8


def measure_shortly(
    network: Network,
    graphs: GraphTensors,
    subset: np.ndarray,
    columns: Sequence[int],
    settings: AlongTrainingSettings,
    seed: int,
) -> pd.DataFrame:
    """Estimate loss, traces, extremal eigenvalues and gradient noise of tasks on the same graphs.

    Args:
        network: trunk and heads.
        graphs: the graphs, with standardised targets.
        subset: numbers of at least 3 graphs that have labels of all the tasks.
        columns: the tasks' numbers among the network's.
        settings: how many products to take.
        seed: of the probes, the same at every point, and of the order of the graphs for the noise.

    Returns:
        column (the task's number among the network's), quantity, value, error (standard error; of an eigenvalue, the
        residual), n_graphs, n_products, n_probes (for the noise, groups of graphs).
    """
    batches = list(graphs.batches(torch.from_numpy(subset), GRAPHS_A_BATCH))
    hessian, ggn = (matrix(network, batches, tasks=columns) for matrix in (MultiTaskHessian, MultiTaskGGN))
    start, *others = rademacher(hessian.shape[0], 1 + settings.probes, seed)
    probes = torch.stack(others)
    runs = [lanczos(hessian.task(task), start, settings.lanczos_steps) for task in range(len(columns))]
    tops = torch.cat([run.ritz_vectors(np.array([-2, -1])) for run in runs], dim=1)
    forms, ggn_traces = hessian.quadratic_forms(probes.T), deflated_traces(ggn, tops, probes.T)
    noises = gradient_noises(network, graphs, subset, columns, seed)
    rows = []
    for task, (run, loss) in enumerate(zip(runs, hessian.losses().tolist(), strict=True)):
        steps, n_probes, noise = len(run.alphas), len(probes), noises[task]
        trace = krylov_trace([run], probes, forms[task])
        largest, smallest = extremal_eigenvalues([run])
        rows += [
            (columns[task], name, *estimate, len(subset), *took)
            for name, estimate, took in (
                ("loss", (loss, 0.0), (0, 0)),
                ("trace", (trace.value, trace.standard_error), (steps + n_probes, n_probes)),
                ("ggn_trace", mean_and_error(ggn_traces[task]), (tops.shape[1] + n_probes, n_probes)),
                ("lambda_max", largest, (steps, 1)),
                ("lambda_min", smallest, (steps, 1)),
                ("gradient_noise", (noise.trace, noise.error), (0, noise.n_batches)),
            )
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def gradient_noises(
    network: Network, graphs: GraphTensors, subset: np.ndarray, columns: Sequence[int], seed: int
) -> list[NoiseEstimate]:
    """Return, for each task, the trace of the covariance of single graphs' gradients; see `noise_of_sums`.

    The graphs are divided at random into 8 groups, or as many as there are graphs; all tasks share their passes.
    """
    in_random_order = np.random.default_rng(seed).permutation(subset)
    groups = np.array_split(in_random_order, min(NOISE_GROUPS, len(subset)))
    counts = torch.tensor([len(group) for group in groups], dtype=torch.float64)
    means = torch.stack([_gradients(network, graphs, group, columns).float() for group in groups], dim=1)
    sums = [(of_task.T * counts.float()).T for of_task in means]
    return [noise_of_sums((of_task @ of_task.T).double(), counts) for of_task in sums]


def _gradients(network: Network, graphs: GraphTensors, group: np.ndarray, columns: Sequence[int]) -> torch.Tensor:
    """Return the gradient of each task's mean loss over a group of graphs [tasks, p]."""
    batches = list(graphs.batches(torch.from_numpy(group), GRAPHS_A_BATCH))
    return MultiTaskHessian(network, batches, tasks=columns).gradients()
