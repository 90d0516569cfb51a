"""More that is said of one task's curvature, each number with its error and what it took: one row a quantity."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from curvature_mtl.curvature.columns import QUANTITY_COLUMNS as QUANTITY_COLUMNS
from curvature_mtl.curvature.gradient_noise import NoiseEstimate
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
