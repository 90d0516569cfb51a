"""The trace from Lanczos runs that were made anyway, and quadratic forms of further probes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from curvature_mtl.curvature.lanczos import Lanczos
from curvature_mtl.curvature.trace import TraceEstimate, mean_and_error

# Directions in which the runs' bases agree to this share are taken once: rounding errors grow by its inverse root.
INDEPENDENT = 1e-2


@dataclass(frozen=True)
class KrylovSpace:
    """An orthonormal basis Q of what Lanczos runs have explored, and its products.

    Attributes:
        basis: Q' [k, p].
        products: (H Q)' [k, p].
    """

    basis: Tensor
    products: Tensor

    @classmethod
    def of_runs(cls, runs: Sequence[Lanczos]) -> "KrylovSpace":
        """Join the runs' spaces, less the last vector of each, whose product no run has kept.

        Raises:
            ValueError: if no run has two steps.
        """
        joined = torch.cat([run.basis[:-1] for run in runs])
        if not len(joined):
            raise ValueError("a Krylov space needs a Lanczos run of at least 2 steps")
        products = torch.cat([_tridiagonal(run)[:-1] @ run.basis for run in runs])
        values, vectors = torch.linalg.eigh(joined @ joined.T)
        kept = values > INDEPENDENT
        combine = (vectors[:, kept] / values[kept].sqrt()).T
        return cls(combine @ joined, combine @ products)

    def trace(self) -> float:
        """Return tr Q'HQ, the trace within the space."""
        return float((self.basis * self.products).sum())

    def outside(self, probes: Tensor, forms: Tensor) -> Tensor:
        """Return v'(I - QQ') H (I - QQ') v [n] for probes v [n, p] with the quadratic forms v'Hv [n]."""
        inside, moved = probes @ self.basis.T, probes @ self.products.T
        return forms - 2 * (inside * moved).sum(1) + ((inside @ (self.products @ self.basis.T)) * inside).sum(1)


def krylov_trace(runs: Sequence[Lanczos], probes: Tensor, forms: Tensor) -> TraceEstimate:
    """Estimate the trace as tr Q'HQ + mean of v'(I - QQ') H (I - QQ') v over the probes; unbiased.

    Q spans the runs' Krylov spaces, which hold the eigenvectors of eigenvalues far from the others: only what they
    leave is estimated from the probes, with less spread. No product is made: those of Q follow from the runs, and
    quadratic forms are what `shared_trunk.MultiTaskCurvature.quadratic_forms` gives for all tasks at once.
    The idea is that of Chen and Hallman, SIAM J. Matrix Anal. Appl. 44, 1218, 2023 (Krylov-aware trace estimation).

    Args:
        runs: Lanczos runs from other starts than the probes, else the estimate is biased.
        probes: v [n, p], isotropic, such as independent signs.
        forms: v'Hv [n].

    Raises:
        ValueError: if there is no probe, or no run has two steps.
    """
    if len(probes) == 0:
        raise ValueError("a trace estimate needs at least one probe")
    space = KrylovSpace.of_runs(runs)
    value, error = mean_and_error(space.outside(probes, forms))
    made = sum(len(run.alphas) for run in runs) + len(probes)
    return TraceEstimate(space.trace() + value, error, made, n_probes=len(probes), method="krylov")


def _tridiagonal(run: Lanczos) -> Tensor:
    inner = run.betas[:-1]
    return torch.from_numpy(np.diag(run.alphas) + np.diag(inner, 1) + np.diag(inner, -1)).to(run.basis)
