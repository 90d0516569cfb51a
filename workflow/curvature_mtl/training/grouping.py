"""Groups of tasks that may share a branch: those whose curvature matrices in the shared trunk overlap."""

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from curvature_mtl.curvature.conflict import cosines, hessian_gram
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN
from curvature_mtl.models.network import Network
from curvature_mtl.training.fit import TaskData
from curvature_mtl.training.weighting.base import Cost
from curvature_mtl.training.weighting.measured import GRAPHS_PER_BATCH, balanced_subset, random_signs

PROBES = 8
FEWEST_GRAPHS = 32
TASKS_PER_GROUP = 3


def overlap_groups(network: Network, data: TaskData, n_groups: int, seed: int) -> tuple[dict[str, list[str]], Cost]:
    """Return groups of tasks by name, and what it cost to find them.

    The overlap of two tasks is tr(G_s G_t) / (|G_s| |G_t|), the cosine of their Gauss-Newton matrices, estimated
    from products with shared random signs; groups come from average-linkage clustering of the tasks by it.
    Every product counts as a pass over the graphs it touches; there are as many graphs as make one pass over
    the training graphs, and at least a few.

    Args:
        n_groups: how many; 0 for one for each three tasks, but at least 2.
        seed: of the signs.
    """
    n_tasks = len(data.tasks)
    size = min(len(data.train), max(FEWEST_GRAPHS, len(data.train) // (PROBES * n_tasks)))
    chosen = balanced_subset(data.train, ~torch.isnan(data.graphs.y[data.train]), size)
    probes = random_signs(network, PROBES, torch.Generator().manual_seed(seed))
    curvature = MultiTaskGGN(network, list(data.graphs.batches(chosen, GRAPHS_PER_BATCH)))
    overlap = cosines(hessian_gram(curvature.products(probes.T).double()))
    labels = cluster(overlap, n_groups or max(2, round(n_tasks / TASKS_PER_GROUP)))
    members = [
        [task for task, label in zip(data.tasks, labels, strict=True) if label == wanted]
        for wanted in np.unique(labels)
    ]
    groups = {f"group{number}": tasks for number, tasks in enumerate(members, start=1)}
    return groups, Cost(PROBES * n_tasks * size, PROBES * n_tasks)


def cluster(overlap: Tensor, n_groups: int) -> np.ndarray:
    """Return a label for each task by average-linkage clustering of their overlaps [tasks, tasks], 1 for the same."""
    if n_groups >= len(overlap):
        return np.arange(len(overlap))
    pairs = np.triu_indices(len(overlap), 1)
    tree = linkage(1 - overlap.numpy()[pairs], "average")
    return fcluster(tree, n_groups, "maxclust")
