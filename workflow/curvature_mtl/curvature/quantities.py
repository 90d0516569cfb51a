"""More that is said of one task's curvature, each number with its error and what it took: one row a quantity."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from curvature_mtl.curvature.columns import QUANTITY_COLUMNS
from curvature_mtl.curvature.gradient_noise import NoiseEstimate
from curvature_mtl.curvature.jackknife import Estimate
from curvature_mtl.curvature.lanczos import Lanczos
from curvature_mtl.curvature.norms import (
    effective_rank,
    frobenius_norm_of_products,
    negative_share,
    negative_weight,
)
from curvature_mtl.curvature.trace import TraceEstimate, trace_of_products


@dataclass(frozen=True)
class Quantity:
    """A number about one task at one model.

    Attributes:
        block: of the parameters: `trunk`, or a part of it.
        operator: `hessian`, `ggn` or `gradient`.
        quantity: its name.
        value: the estimate.
        error: its standard error; 0 for what is exact on the graphs it was measured on.
        n_products: products with the operator behind it.
        n_probes: independent samples behind the error: probes, or batches for the gradient noise.
    """

    block: str
    operator: str
    quantity: str
    value: float
    error: float
    n_products: int = 0
    n_probes: int = 0


def quantity_table(quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Return one row a quantity, with the columns `QUANTITY_COLUMNS`."""
    return pd.DataFrame([astuple(quantity) for quantity in quantities], columns=QUANTITY_COLUMNS)


def parameter_blocks(trunk: nn.Module) -> dict[str, list[int]]:
    """Return the places of each part's parameters in the trunk's vector: one part a child, one an item of a list."""
    blocks: dict[str, list[int]] = {}
    at = 0
    for name, parameter in trunk.named_parameters():
        first, *rest = name.split(".")
        in_list = isinstance(getattr(trunk, first), nn.ModuleList)
        part = f"{first}.{rest[0]}" if in_list else first
        blocks.setdefault(part, []).extend(range(at, at + parameter.numel()))
        at += parameter.numel()
    return blocks


def block_traces(probes: Tensor, products: Tensor, blocks: Mapping[str, Sequence[int]]) -> list[Quantity]:
    """Return the trace of each diagonal block of the Hessian, all from the same probes [n, p] and products [p, n].

    Each is unbiased, and they add up to the trace; a block's error comes from its rows alone.
    """
    found = []
    for name, places in blocks.items():
        own = torch.as_tensor(places)
        trace = trace_of_products(probes[:, own], products[own])
        found.append(Quantity(name, "hessian", "trace", trace.value, trace.standard_error, len(probes), len(probes)))
    return found


def spectrum_quantities(products: Tensor, runs: Sequence[Lanczos]) -> list[Quantity]:
    """Return what products and Lanczos runs that are taken anyway say of the spectrum as a whole.

    `n_parameters` is p. `frobenius_norm` comes from the products. From the runs, one a probe, come `effective_rank`,
    `negative_share_of_eigenvalues` and `negative_share_of_curvature` (the sum of |lambda| over the negative ones in
    that over all); their errors are those of the probes and do not hold that of few Lanczos steps, see `norms`.

    Args:
        products: H v for probes of signs [p, n].
        runs: at least one.
    """
    p, n_probes = products.shape
    steps = sum(len(run.ritz_values) for run in runs)
    quadratures = [run.ritz_values for run in runs], [run.weights for run in runs]

    def quantity(name: str, estimate: Estimate, n_products: int, n_probes: int) -> Quantity:
        return Quantity("trunk", "hessian", name, *estimate, n_products, n_probes)

    return [
        Quantity("trunk", "hessian", "n_parameters", p, 0.0),
        quantity("frobenius_norm", frobenius_norm_of_products(products), n_probes, n_probes),
        quantity("effective_rank", effective_rank(*quadratures, p), steps, len(runs)),
        quantity("negative_share_of_eigenvalues", negative_weight(*quadratures), steps, len(runs)),
        quantity("negative_share_of_curvature", negative_share(*quadratures), steps, len(runs)),
    ]


def ggn_trace(trace: TraceEstimate) -> Quantity:
    """Return the trace of the Gauss-Newton matrix as a quantity."""
    return Quantity("trunk", "ggn", "trace", trace.value, trace.standard_error, trace.n_products, trace.n_probes)


def gradient_quantities(gradient: Tensor, noise: NoiseEstimate, trace: TraceEstimate) -> list[Quantity]:
    """Return the gradient's norm, its noise tr C, and the ratio of curvature to noise, tr H / tr C.

    Args:
        gradient: of the task's mean loss [p].
        noise: trace of the covariance of single graphs' gradients.
        trace: of the Hessian.
    """
    ratio = trace.value / noise.trace
    # Relative errors of two independent estimates add in quadrature, to first order.
    error = math.hypot(trace.standard_error / noise.trace, ratio * noise.error / noise.trace)
    return [
        Quantity("trunk", "gradient", "norm", float(torch.linalg.vector_norm(gradient)), 0.0),
        Quantity("trunk", "gradient", "noise", noise.trace, noise.error, n_probes=noise.n_batches),
        Quantity("trunk", "hessian", "curvature_over_noise", ratio, error, trace.n_products, noise.n_batches),
    ]
