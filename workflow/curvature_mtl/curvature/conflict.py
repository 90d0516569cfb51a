"""What the tasks of one network do to each other: overlaps of their Hessians, of their gradients, and of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from curvature_mtl.curvature.columns import CONFLICT_COLUMNS
from curvature_mtl.curvature.jackknife import jackknife_error


@dataclass(frozen=True)
class TaskVectors:
    """What is kept of one task's Hessian H_t at one model, p being the number of parameters.

    Attributes:
        products: H_t V for probes V that all tasks share [p, probes].
        top: orthonormal eigenvectors of its eigenvalues largest in size [p, k].
        gradient: of L_t [p].
        gradient_products: H_t g_s for the gradient g_s of every task s [p, tasks].
    """

    products: Tensor
    top: Tensor
    gradient: Tensor
    gradient_products: Tensor


def conflict_table(tasks: Sequence[str], vectors: Sequence[TaskVectors]) -> pd.DataFrame:
    """Return every measure for every pair of tasks: measure, task_a, task_b, value, error.

    `hessian_gram` is tr(H_a H_b) and `hessian_cosine` the same divided by both Frobenius norms, with jackknife
    errors over the probes. `subspace_overlap` is |U_a' U_b|^2 / k, U being the k top eigenvectors: 1 for the same
    space, k/p for random ones (`subspace_overlap_random`). `gradient_cosine` is that of the gradients.
    `cross_curvature` is g_a' H_b g_a / |g_a|^2: the curvature of task b along the gradient of a. What involves no
    probes is exact for the graphs it was measured on, and has the error 0.
    """
    parts = [
        _gram_rows(torch.stack([v.products for v in vectors])),
        _rows("subspace_overlap", subspace_overlap([v.top for v in vectors])),
        _rows("subspace_overlap_random", torch.full((len(tasks),) * 2, _random_overlap(vectors[0].top))),
        _rows("gradient_cosine", gradient_cosines(torch.stack([v.gradient for v in vectors]))),
        _rows("cross_curvature", cross_curvature(vectors)),
    ]
    table = pd.concat(parts, ignore_index=True)
    names = dict(enumerate(tasks))
    named = table.assign(task_a=table["task_a"].map(names), task_b=table["task_b"].map(names))
    return named[CONFLICT_COLUMNS]


def hessian_gram(products: Tensor) -> Tensor:
    """Return the mean over probes of (H_a v)'(H_b v) [tasks, tasks], an unbiased estimate of tr(H_a H_b).

    Args:
        products: H_t V [tasks, p, probes], for isotropic probes such as independent signs.
    """
    return torch.einsum("apk,bpk->ab", products, products) / products.shape[2]


def cosines(gram: Tensor) -> Tensor:
    """Return gram_ab / sqrt(gram_aa gram_bb)."""
    norms = gram.diagonal().sqrt()
    return gram / torch.outer(norms, norms)


def subspace_overlap(bases: Sequence[Tensor]) -> Tensor:
    """Return |U_a' U_b|_F^2 / k [tasks, tasks] for orthonormal bases U_t [p, k]: the mean squared cosine."""
    joined = torch.stack(list(bases))
    overlaps = torch.einsum("api,bpj->abij", joined, joined)
    return overlaps.square().sum((2, 3)) / joined.shape[2]


def gradient_cosines(gradients: Tensor) -> Tensor:
    """Return the cosines [tasks, tasks] between the gradients [tasks, p]."""
    return cosines(gradients @ gradients.T)


def cross_curvature(vectors: Sequence[TaskVectors]) -> Tensor:
    """Return g_a' H_b g_a / |g_a|^2 [tasks, tasks]."""
    gradients = torch.stack([v.gradient for v in vectors])
    along = torch.stack([(gradients * v.gradient_products.T).sum(1) for v in vectors], dim=1)
    return along / gradients.square().sum(1, keepdim=True)


def _random_overlap(top: Tensor) -> float:
    return top.shape[1] / top.shape[0]


def _gram_rows(products: Tensor) -> pd.DataFrame:
    """Return the Gram matrix and its cosines with errors over the probes."""
    each = torch.einsum("apk,bpk->kab", products, products)
    gram = each.mean(0)
    left_out = (each.sum(0) - each) / (len(each) - 1)
    left_out_cosines = torch.stack([cosines(one) for one in left_out])
    gram_error, cosine_error = (jackknife_error(values.numpy()) for values in (left_out, left_out_cosines))
    return pd.concat([_rows("hessian_gram", gram, gram_error), _rows("hessian_cosine", cosines(gram), cosine_error)])


def _rows(measure: str, values: Tensor, errors: np.ndarray | None = None) -> pd.DataFrame:
    """Return one row a pair of tasks, by their numbers."""
    errors = np.zeros(values.shape) if errors is None else errors
    pairs = product(range(len(values)), repeat=2)
    rows = [(measure, a, b, float(values[a, b]), float(errors[a, b])) for a, b in pairs]
    return pd.DataFrame(rows, columns=["measure", "task_a", "task_b", "value", "error"])
