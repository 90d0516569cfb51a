"""The Lanczos process with full reorthogonalisation, and what its tridiagonal matrix says of the spectrum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from curvature_mtl.curvature.operator import SymmetricOperator
from curvature_mtl.curvature.orthogonal import outside

# A new direction shorter than this, relative to the largest entry of T so far, is rounding error.
BREAKDOWN = 1e-12


@dataclass(frozen=True, eq=False)
class Lanczos:
    """The tridiagonal matrix T of m Lanczos steps, and its eigenvalues: the Ritz values, ascending.

    `alphas` [m] is the diagonal of T and `betas[:-1]` its off-diagonal; `betas[-1]` is the length of the part
    of the last product outside the Krylov space, about 0 if that space is invariant. The rows of `basis` [m, p]
    are an orthonormal basis of that space.
    """

    alphas: np.ndarray
    betas: np.ndarray
    basis: Tensor

    @property
    def ritz_values(self) -> np.ndarray:
        """Eigenvalues of T [m], ascending."""
        return self._eigen[0]

    @property
    def weights(self) -> np.ndarray:
        """Squared first components of T's eigenvectors [m], which sum to 1.

        With the Ritz values as nodes they are the Gauss quadrature of the operator's spectral measure at the
        start vector, exact for polynomials of degree 2m - 1 (Golub and Welsch, Math. Comp. 23, 221, 1969).
        """
        return self._eigen[1][0] ** 2

    @property
    def residuals(self) -> np.ndarray:
        """|betas[-1] * last component of T's eigenvector| [m]: the norm of H y - theta y for each Ritz pair.

        An eigenvalue lies within this distance of the Ritz value (Parlett, The Symmetric Eigenvalue Problem,
        1998, section 13.2), up to the rounding error of the products.
        """
        return np.abs(self.betas[-1] * self._eigen[1][-1])

    @property
    def orthogonality_loss(self) -> float:
        """Largest entry of |Q Q' - I|, Q being the basis.

        Up to the square root of the rounding error (1.5e-8 in float64), T is that of exact arithmetic but for rounding
        (Simon, Math. Comp. 42, 115, 1984); beyond, eigenvalues come back as copies.
        """
        gram = self.basis @ self.basis.T
        return float((gram - torch.eye(len(gram), dtype=gram.dtype)).abs().max())

    def ritz_vectors(self, chosen: np.ndarray) -> Tensor:
        """Return the approximate eigenvectors [p, k], orthonormal, of the Ritz values with numbers `chosen` [k]."""
        return self.basis.T @ torch.from_numpy(self._eigen[1][:, chosen].copy()).to(self.basis)

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        return eigh_tridiagonal(self.alphas, self.betas[:-1])


def lanczos(operator: SymmetricOperator, start: Tensor, steps: int) -> Lanczos:
    """Run up to `steps` Lanczos steps (at most p) from `start` [p]; see `lanczos_in_step`."""
    return lanczos_in_step(operator, [start], steps)[0]


def lanczos_in_step(operator: SymmetricOperator, starts: Sequence[Tensor], steps: int) -> list[Lanczos]:
    """Run up to `steps` Lanczos steps (at most p) from each start [p], in float64, one block product a step.

    The processes are independent: each gives what it would give alone, up to rounding. Only their products are
    asked for together, which an operator may do faster than one by one. A process ends early when its Krylov
    space is invariant: its Ritz values are then eigenvalues. All basis vectors are kept: memory is 8 * steps * p
    bytes a start.

    Raises:
        ValueError: if `steps` is below 1, a start is zero, or a product is not finite.
    """
    if steps < 1:
        raise ValueError(f"Lanczos needs at least 1 step, got {steps}")
    processes = [_Process(start, min(steps, operator.shape[0])) for start in starts]
    while going_on := [process for process in processes if not process.has_ended]:
        products = operator @ torch.stack([process.direction for process in going_on], dim=1)
        for process, product in zip(going_on, products.T, strict=True):
            process.take(product)
    return [process.result() for process in processes]


class _Process:
    """One Lanczos process between two products: `direction` is the vector to be multiplied next."""

    def __init__(self, start: Tensor, steps: int):
        if not start.any():
            raise ValueError("Lanczos needs a start vector other than zero")
        self.direction = start.double() / torch.linalg.vector_norm(start.double())
        self.alphas: list[float] = []
        self.betas: list[float] = []
        self.has_ended = False
        self._basis = self.direction.new_empty(steps, len(start))

    def take(self, product: Tensor) -> None:
        """Make a step with the product of the operator and `direction`."""
        step = len(self.alphas)
        self._basis[step] = self.direction
        self.alphas.append(float(self.direction @ product))
        # Without reorthogonalisation converged eigenvalues come back as copies; once fails where most cancels.
        rest = outside(self._basis[: step + 1].T, product)
        self.betas.append(float(torch.linalg.vector_norm(rest)))
        if not math.isfinite(self.betas[-1]):
            raise ValueError(f"Lanczos step {step + 1}: the product is not finite; check the loss and the weights")
        is_invariant = self.betas[-1] <= BREAKDOWN * max(map(abs, self.alphas + self.betas))
        self.has_ended = is_invariant or step + 1 == len(self._basis)
        if not self.has_ended:
            self.direction = rest / self.betas[-1]

    def result(self) -> Lanczos:
        """Return what the steps so far have given."""
        return Lanczos(np.array(self.alphas), np.array(self.betas), self._basis[: len(self.alphas)])
