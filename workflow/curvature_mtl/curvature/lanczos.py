"""The Lanczos process with full reorthogonalisation, and what its tridiagonal matrix says of the spectrum."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from curvature_mtl.curvature.operator import SymmetricOperator

# A new direction shorter than this, relative to the largest entry of T so far, is rounding error.
BREAKDOWN = 1e-12


@dataclass(frozen=True, eq=False)
class Lanczos:
    """The tridiagonal matrix T of m Lanczos steps, and its eigenvalues: the Ritz values, ascending.

    `alphas` [m] is the diagonal of T and `betas[:-1]` its off-diagonal; `betas[-1]` is the length of the part
    of the last product outside the Krylov space, about 0 if that space is invariant.
    """

    alphas: np.ndarray
    betas: np.ndarray

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

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        return eigh_tridiagonal(self.alphas, self.betas[:-1])


def lanczos(operator: SymmetricOperator, start: Tensor, steps: int) -> Lanczos:
    """Run up to `steps` Lanczos steps (at most p) from `start` [p], one product each, in float64.

    The process ends early when the Krylov space is invariant: its Ritz values are then eigenvalues. All basis
    vectors are kept: memory is 8 * steps * p bytes.

    Raises:
        ValueError: if `steps` is below 1, `start` is zero, or a product is not finite.
    """
    if steps < 1:
        raise ValueError(f"Lanczos needs at least 1 step, got {steps}")
    steps = min(steps, operator.shape[0])
    direction = start.double()
    if not direction.any():
        raise ValueError("Lanczos needs a start vector other than zero")
    basis = direction.new_empty(steps, len(direction))
    alphas: list[float] = []
    betas: list[float] = []
    direction = direction / torch.linalg.vector_norm(direction)
    for step in range(steps):
        basis[step] = direction
        product = operator @ direction
        alphas.append(float(direction @ product))
        rest = _outside(basis[: step + 1], product)
        betas.append(float(torch.linalg.vector_norm(rest)))
        if not math.isfinite(betas[-1]):
            raise ValueError(f"Lanczos step {step + 1}: the product is not finite; check the loss and the weights")
        if betas[-1] <= BREAKDOWN * max(map(abs, alphas + betas)):
            break
        direction = rest / betas[-1]
    return Lanczos(np.array(alphas), np.array(betas))


def _outside(basis: Tensor, vector: Tensor) -> Tensor:
    """Return the part of `vector` [p] that is orthogonal to the rows of `basis` [m, p]."""
    # Twice is enough for orthogonality to rounding (Giraud et al., Numer. Math. 101, 87, 2005). Never, and
    # converged eigenvalues come back as copies; once fails where most of the product cancels.
    for _ in range(2):
        vector = vector - basis.T @ (basis @ vector)
    return vector
