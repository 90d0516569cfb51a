"""Stochastic Lanczos quadrature: the spectrum of an operator from a few products with random probes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from curvature_mtl.curvature.lanczos import Lanczos, lanczos_in_step
from curvature_mtl.curvature.operator import SymmetricOperator


class RitzValue(NamedTuple):
    """An approximate eigenvalue, and the distance within which an eigenvalue lies."""

    value: float
    residual: float


def slq(operator: SymmetricOperator, probes: Iterable[Tensor], steps: int) -> list[Lanczos]:
    """Run Lanczos from each probe [p], all in step.

    The mean over probes of the quadratures (Ritz values as nodes, with their weights) estimates the eigenvalue
    density divided by p; `curvature.density.smoothed_density` draws it, with its error. Sources: Ubaru, Chen
    and Saad, SIAM J. Matrix Anal. Appl. 38, 1075, 2017; for Hessians, Ghorbani, Krishnan and Xiao, ICML 2019.
    """
    return lanczos_in_step(operator, list(probes), steps)


def extremal_eigenvalues(runs: Sequence[Lanczos]) -> tuple[RitzValue, RitzValue]:
    """Return the largest and the smallest Ritz value over all runs, each with its residual.

    Ritz values never leave the spectrum's range, so the extreme one over runs is the closest to its end.
    """
    pairs = [RitzValue(float(v), float(r)) for run in runs for v, r in zip(run.ritz_values, run.residuals, strict=True)]
    return max(pairs), min(pairs)
