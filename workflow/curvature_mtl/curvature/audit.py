"""What the numerics are worth at one model: each step of the curvature against a second, independent way to it."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from curvature_mtl.curvature.columns import AUDIT_COLUMNS
from curvature_mtl.curvature.lanczos import lanczos
from curvature_mtl.curvature.operator import TaskCurvature, TaskGGN, TaskHessian
from curvature_mtl.curvature.shared_trunk import MultiTaskCurvature, MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.sphere import sphere
from curvature_mtl.curvature.trace import mean_and_error, rademacher
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.losses import squared_error, task_sums
from curvature_mtl.models.network import Network, NetworkSettings, build_network

GRAPHS = 32
VECTORS = 4
# Few enough parameters for dense Hessians.
SMALL = NetworkSettings(width=4, layers=1, representation=4)
LANCZOS_STEPS = 120
PROBES = (4, 8, 16, 32, 64)
ALL_PROBES = 512
# Of a central difference, relative to the weights' length: the cube root of the rounding error of float64, at which
# rounding and the third derivative disturb about equally.
STEP = torch.finfo(torch.float64).eps ** (1 / 3)


def audit(network: Network, batch: GraphBatch, columns: Sequence[int], seed: int) -> pd.DataFrame:
    """Check the curvature of some tasks of a trained network, and of a small untrained one on the same graphs.

    Args:
        network: in any dtype; its weights are taken to float64.
        batch: graphs with standardised targets of all the network's tasks, float64.
        columns: the tasks' numbers among the network's; each has a label in the batch.
        seed: of the small network's weights and of all vectors.

    Returns:
        column (the task's number), and AUDIT_COLUMNS. Values are relative errors of products |a - b| / |b|, the
        largest of a few random vectors, unless the function of the check says otherwise.
    """
    exact = copy.deepcopy(network).double()
    small = build_network(batch.x.shape[1], batch.edge_attr.shape[1], batch.y.shape[1], SMALL, seed).double()
    hessian = MultiTaskHessian(exact, [batch], tasks=columns)
    ggn = MultiTaskGGN(exact, [batch], tasks=columns)
    vectors = sphere(hessian.shape[0], VECTORS, seed).T
    of_small = MultiTaskHessian(small, [batch], tasks=columns)
    found = [
        ("dense", against_dense(of_small, dense_hessians(small, batch, columns), seed)),
        ("double backward", against_double_backward(hessian, ggn, exact, batch, columns, vectors)),
        ("finite differences", against_differences(hessian, exact, batch, columns, vectors)),
        ("float32", in_float32(hessian, ggn, exact, batch, columns, vectors)),
        ("threads", on_two_threads(exact, batch, columns, vectors[:, :1])),
        ("symmetry", asymmetry(hessian, vectors)),
        ("probes", spread_of_probes(hessian.quadratic_forms(rademacher(hessian.shape[0], ALL_PROBES, seed).T))),
    ]
    rows = [
        {"column": column, "check": check, "quantity": quantity, "n_probes": n_probes, "value": float(value)}
        for check, quantities in found
        for (quantity, n_probes), values in quantities.items()
        for column, value in zip(columns, values, strict=True)
    ]
    return pd.DataFrame(rows).assign(n_graphs=batch.num_graphs)[["column", *AUDIT_COLUMNS]]


# Of each task [tasks], by quantity and number of probes; 0 where there are none.
Checked = dict[tuple[str, int], Tensor]


def against_dense(hessian: MultiTaskCurvature, dense: Tensor, seed: int) -> Checked:
    """Compare products, the sum of all diagonal entries, and the ends of Lanczos with dense matrices [tasks, p, p].

    Errors of traces are relative to the sum of the eigenvalues' sizes, those of eigenvalues to the largest size: a
    trace or an eigenvalue near zero has no relative scale of its own.
    """
    vectors = sphere(hessian.shape[0], VECTORS, seed).T
    eigenvalues = torch.from_numpy(np.linalg.eigvalsh(dense.numpy()))
    sizes = eigenvalues.abs()
    traces = hessian.quadratic_forms(torch.eye(hessian.shape[0], dtype=torch.float64)).sum(1)
    runs = [lanczos(hessian.task(task), vectors[:, 0], LANCZOS_STEPS).ritz_values for task in range(hessian.n_tasks)]
    ends = torch.tensor(np.array([(run[-1], run[0]) for run in runs]))
    true_ends = eigenvalues[:, [-1, 0]]
    end_errors = (ends - true_ends).abs() / sizes.amax(1, keepdim=True)
    return {
        ("hessian_product", 0): product_errors(hessian.products(vectors), dense @ vectors),
        ("trace", 0): (traces - eigenvalues.sum(1)).abs() / sizes.sum(1),
        ("lambda_max", 0): end_errors[:, 0],
        ("lambda_min", 0): end_errors[:, 1],
    }


def against_double_backward(
    hessian: MultiTaskCurvature,
    ggn: MultiTaskCurvature,
    network: Network,
    batch: GraphBatch,
    columns: Sequence[int],
    vectors: Tensor,
) -> Checked:
    """Compare products [tasks, p, k] with those of the operators for any module, and forms with these products.

    Errors of v' H v are relative to |v| |H v|.
    """
    trunk = list(network.trunk.parameters())
    hessians = [TaskHessian(network, trunk, _losses, [batch], column) for column in columns]
    ggns = [TaskGGN(network, trunk, nn.Module.__call__, _losses_of_outputs, [batch], column) for column in columns]
    products = _each(hessians, vectors)
    return {
        ("hessian_product", 0): product_errors(hessian.products(vectors), products),
        ("ggn_product", 0): product_errors(ggn.products(vectors), _each(ggns, vectors)),
        ("quadratic_form", 0): form_errors(hessian.quadratic_forms(vectors), vectors, products),
    }


def against_differences(
    hessian: MultiTaskCurvature, network: Network, batch: GraphBatch, columns: Sequence[int], vectors: Tensor
) -> Checked:
    """Compare products with central differences of autograd's gradients."""
    products = hessian.products(vectors)
    differences = torch.stack([_difference(network, batch, columns, vector) for vector in vectors.T], dim=2)
    return {("hessian_product", 0): product_errors(products, differences)}


def in_float32(
    hessian: MultiTaskCurvature,
    ggn: MultiTaskCurvature,
    network: Network,
    batch: GraphBatch,
    columns: Sequence[int],
    vectors: Tensor,
) -> Checked:
    """Compare products and forms in float32, in which the workflow computes them, with those in float64."""
    rounded, graphs = copy.deepcopy(network).float(), _float32(batch)
    of_hessian = MultiTaskHessian(rounded, [graphs], tasks=columns)
    of_ggn = MultiTaskGGN(rounded, [graphs], tasks=columns)
    products = hessian.products(vectors)
    return {
        ("hessian_product", 0): product_errors(of_hessian.products(vectors), products),
        ("ggn_product", 0): product_errors(of_ggn.products(vectors), ggn.products(vectors)),
        ("quadratic_form", 0): form_errors(of_hessian.quadratic_forms(vectors), vectors, products),
    }


def on_two_threads(network: Network, batch: GraphBatch, columns: Sequence[int], vectors: Tensor) -> Checked:
    """Compare float32 products on two threads with those on one; 0 if no bit differs."""
    rounded, graphs = copy.deepcopy(network).float(), _float32(batch)
    before = torch.get_num_threads()
    products = []
    try:
        for threads in (2, 1):
            torch.set_num_threads(threads)
            products.append(MultiTaskHessian(rounded, [graphs], tasks=columns).products(vectors))
    finally:
        torch.set_num_threads(before)
    return {("hessian_product", 0): product_errors(*products)}


def asymmetry(hessian: MultiTaskCurvature, vectors: Tensor) -> Checked:
    """Return the largest |u' H v - v' H u| / (|u| |H v|) over pairs of different columns of `vectors` [p, k]."""
    products = hessian.products(vectors)
    forms = torch.einsum("pi,tpj->tij", vectors, products)
    lengths = torch.linalg.vector_norm(vectors, dim=0)[:, None] * torch.linalg.vector_norm(products, dim=1)[:, None]
    return {("hessian_product", 0): ((forms - forms.mT).abs() / lengths).amax((1, 2))}


def spread_of_probes(forms: Tensor) -> Checked:
    """Compare the stated error of Hutchinson's trace with the spread between estimates from different probes.

    All probes are divided into groups of n. `stated_error` is the root mean square of the standard errors that the
    groups state, `observed_error` the standard deviation between the groups' estimates; both relative to the size
    of the mean over all probes, and equal but for chance if stated errors are honest.

    Args:
        forms: v' H v of every probe [tasks, probes].
    """
    scale = forms.mean(1).abs()
    found: Checked = {}
    for n in PROBES:
        groups = [[mean_and_error(group) for group in task.split(n)] for task in forms]
        means, errors = torch.tensor(groups, dtype=torch.float64).unbind(2)
        found["stated_error", n] = errors.square().mean(1).sqrt() / scale
        found["observed_error", n] = means.std(1) / scale
    return found


def product_errors(found: Tensor, truth: Tensor) -> Tensor:
    """Return for each task the largest |a - b| / |b| over the columns of products a, b [tasks, p, k]."""
    return (torch.linalg.vector_norm(found - truth, dim=1) / torch.linalg.vector_norm(truth, dim=1)).amax(1)


def form_errors(forms: Tensor, vectors: Tensor, products: Tensor) -> Tensor:
    """Return for each task the largest error of forms [tasks, k] over |v| |H v|, given v [p, k], H v [tasks, p, k]."""
    scale = torch.linalg.vector_norm(vectors, dim=0) * torch.linalg.vector_norm(products, dim=1)
    return ((forms - (vectors * products).sum(1)).abs() / scale).amax(1)


def dense_hessians(network: Network, batch: GraphBatch, columns: Sequence[int]) -> Tensor:
    """Form each task's Hessian in the trunk [tasks, p, p] by torch.func, row by row from the gradient.

    Not by `torch.func.hessian`, which is wrong for a LayerNorm with weights in torch 2.13.
    """
    given = dict(network.trunk.named_parameters(prefix="trunk"))
    sizes = [parameter.numel() for parameter in given.values()]
    flat = torch.cat([parameter.detach().flatten() for parameter in given.values()])

    def loss(values: Tensor, column: int) -> Tensor:
        parts = [part.view_as(like) for part, like in zip(values.split(sizes), given.values(), strict=True)]
        prediction = torch.func.functional_call(network, dict(zip(given, parts, strict=True)), (batch,))[:, column]
        labelled = ~torch.isnan(batch.y[:, column])
        return (prediction[labelled] - batch.y[labelled, column]).square().mean()

    rows = torch.func.jacrev(torch.func.grad(loss), chunk_size=256)
    return torch.stack([rows(flat, column).detach() for column in columns])


def _difference(network: Network, batch: GraphBatch, columns: Sequence[int], vector: Tensor) -> Tensor:
    """Return (g(w + h v) - g(w - h v)) / 2h [tasks, p] of the tasks' gradients g at the trunk's weights w."""
    moved = copy.deepcopy(network)
    trunk = list(moved.trunk.parameters())
    weights = nn.utils.parameters_to_vector(trunk).detach()
    step = float(STEP * torch.linalg.vector_norm(weights) / torch.linalg.vector_norm(vector))
    gradients = []
    for sign in (1, -1):
        nn.utils.vector_to_parameters(weights + sign * step * vector, trunk)
        gradients.append(
            torch.stack([TaskHessian(moved, trunk, _losses, [batch], column).gradient() for column in columns])
        )
    return (gradients[0] - gradients[1]) / (2 * step)


def _each(operators: Sequence[TaskCurvature], vectors: Tensor) -> Tensor:
    return torch.stack([operator @ vectors for operator in operators])


def _losses(network: nn.Module, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    return _losses_of_outputs(network(batch), batch)


def _losses_of_outputs(prediction: Tensor, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    return task_sums(prediction, batch.y, squared_error)


def _float32(batch: GraphBatch) -> GraphBatch:
    return replace(batch, x=batch.x.float(), edge_attr=batch.edge_attr.float(), y=batch.y.float())
