"""Extremal eigenpairs by the Lanczos process with thick restarts, each with the residual of a real product."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from curvature_mtl.curvature.lanczos import BREAKDOWN
from curvature_mtl.curvature.operator import SymmetricOperator
from curvature_mtl.curvature.orthogonal import extend, outside

Which = Literal["magnitude", "largest", "smallest"]

# Basis vectors beyond the wanted pairs: so many, and as many again as are wanted.
ROOM = 20
# Products spent to look for a pair that was missed.
SWEEP = 20


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Approximate eigenpairs, best first: by magnitude, from the largest down, or from the smallest up.

    An eigenvalue of H lies within residuals[i] of values[i]; if no other pair is nearer than the gap g, values[i]
    is off by at most residuals[i]^2 / g (Parlett, The Symmetric Eigenvalue Problem, 1998, chapter 4 and 11).

    Attributes:
        values: y . H y, float64 [k].
        vectors: orthonormal y, columns of float64 [p, k].
        residuals: |H y - values * y|, from products made with the returned vectors [k].
        n_products: products with the operator, those included.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    n_products: int


def eigenpairs(
    operator: SymmetricOperator,
    k: int,
    which: Which = "magnitude",
    tolerance: float = 1e-6,
    max_products: int = 1000,
    seed: int = 0,
) -> Eigenpairs:
    """Return the k eigenpairs that are largest in magnitude, largest, or smallest.

    Thick-restart Lanczos (Wu and Simon, SIAM J. Matrix Anal. Appl. 22, 602, 2000) in float64, with full
    reorthogonalisation: a basis of 2k + 20 vectors (at most p) is filled and shrunk to its best Ritz vectors in turn.
    Rounding of products in float32 makes no copies of eigenvalues, but shows in the residuals.

    A Krylov space holds one vector of each eigenspace, so a multiple eigenvalue might be found once. Therefore,
    once the k pairs have converged, 20 products are spent on a sweep from a random vector orthogonal to them; if a
    better pair turns up, the iteration goes on, and another sweep follows. So multiple eigenvalues that stand
    clear of the k-th by more than a small part of the spectrum's width are found with their multiplicity.

    Args:
        operator: H, [p, p].
        k: number of pairs, 1 to p.
        which: "magnitude", "largest" or "smallest" (the most negative).
        tolerance: a pair has converged when its residual, but for rounding of products, is at most this
            times the largest absolute Ritz value.
        max_products: with the k products of the residuals. When they are used up, what is there is returned, and
            the residuals tell how good it is.
        seed: of the start vector and all other random vectors.

    Raises:
        ValueError: if k is not within 1 to p, max_products is below 2k, or a product is not finite.
    """
    p = operator.shape[0]
    if not 1 <= k <= p:
        raise ValueError(f"cannot return {k} eigenpairs of {p} parameters")
    if max_products < 2 * k:
        raise ValueError(f"{k} eigenpairs take at least {2 * k} products, got {max_products}")
    basis = _Basis(operator, size=min(2 * k + ROOM, p), which=which, seed=seed)
    _find(basis, k, tolerance, max_products - k)
    vectors = basis.ritz_vectors(k)
    products = operator @ vectors
    values = (vectors * products).sum(0)
    residuals = torch.linalg.vector_norm(products - vectors * values, dim=0)
    order = torch.from_numpy(np.argsort(-_merit(values.numpy(), which), kind="stable"))
    return Eigenpairs(values[order], vectors[:, order], residuals[order], basis.n_products + k)


def _find(basis: "_Basis", k: int, tolerance: float, max_products: int) -> None:
    """Iterate until the best k pairs have converged and no better one turns up, or the products are used up."""
    while True:
        _converge(basis, k, tolerance, max_products)
        if basis.is_complete or basis.n_products >= max_products:
            return
        merits, _, scale = basis.quality()
        basis.shrink(k)
        basis.turn_aside()
        while basis.count < k + SWEEP and not basis.is_complete and basis.n_products < max_products:
            basis.grow()
        if basis.quality()[0][k - 1] <= merits[k - 1] + tolerance * scale:
            return


def _converge(basis: "_Basis", k: int, tolerance: float, max_products: int) -> None:
    """Fill and shrink the basis in turn, until its best k pairs have converged."""
    while basis.n_products < max_products and not basis.is_complete:
        if basis.count >= k:
            _, residuals, scale = basis.quality()
            if residuals[:k].max() <= tolerance * scale:
                return
        if basis.count == basis.size:
            basis.shrink(k + (basis.size - k) // 2)
        basis.grow()


class _Basis:
    """An orthonormal basis with the operator's matrix in it, and the direction in which it grows next.

    H V = V T + direction * (0, ..., 0, length), up to rounding, and up to what `turn_aside` drops.
    """

    def __init__(self, operator: SymmetricOperator, size: int, which: Which, seed: int):
        self.size = size
        self.n_products = 0
        self._operator = operator
        self._which = which
        self._generator = np.random.default_rng(seed)
        self._rows = torch.empty(size, operator.shape[0], dtype=torch.float64)  # V^T, and room for more
        self._matrix = np.empty((0, 0))
        self._direction, self._length = self._random_direction(), 0.0

    @property
    def count(self) -> int:
        """Number of vectors, at most `size`."""
        return len(self._matrix)

    @property
    def is_complete(self) -> bool:
        """Whether the basis spans the whole space."""
        return self.count == self._rows.shape[1]

    def grow(self) -> None:
        """Take the direction into the basis, at the cost of a product."""
        product = self._operator @ self._direction
        if not product.isfinite().all():
            raise ValueError(f"Lanczos product {self.n_products + 1} is not finite; check the loss and the weights")
        self.n_products += 1
        above, corner = (self._vectors.T @ product).numpy(), float(self._direction @ product)
        self._rows[self.count] = self._direction
        self._matrix = np.block([[self._matrix, above[:, None]], [above[None, :], np.array([[corner]])]])
        rest = outside(self._vectors, product)
        self._length = float(torch.linalg.vector_norm(rest))
        if self._length > BREAKDOWN * np.abs(self._matrix).max():
            self._direction = rest / self._length
        elif not self.is_complete:  # an invariant subspace: go on with a vector of another one
            self.turn_aside()

    def quality(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Return merits of the Ritz values, best first, with the pairs' residuals, and the largest absolute value."""
        values, coordinates = self._ritz()
        return _merit(values, self._which), np.abs(self._length * coordinates[-1]), float(np.abs(values).max())

    def ritz_vectors(self, k: int) -> Tensor:
        """Return the best k Ritz vectors [p, k]."""
        return self._vectors @ torch.from_numpy(self._ritz()[1][:, :k])

    def shrink(self, k: int) -> None:
        """Keep the best k Ritz vectors only, and the direction."""
        kept, values = self.ritz_vectors(k), self._ritz()[0][:k]
        self._rows[:k], self._matrix = kept.T, np.diag(values)

    def turn_aside(self) -> None:
        """Go on in a random direction outside the basis: what was known of the pairs' residuals is dropped."""
        self._direction, self._length = self._random_direction(), 0.0

    @property
    def _vectors(self) -> Tensor:
        return self._rows[: self.count].T

    def _random_direction(self) -> Tensor:
        """Return a unit vector outside the basis [p]."""
        normal = torch.from_numpy(self._generator.standard_normal((self._rows.shape[1], 1)))
        return extend(self._vectors, normal)[:, 0]

    def _ritz(self) -> tuple[np.ndarray, np.ndarray]:
        """Return Ritz values and vectors in coordinates of the basis, best first."""
        values, coordinates = np.linalg.eigh(self._matrix)
        order = np.argsort(-_merit(values, self._which), kind="stable")
        return values[order], coordinates[:, order]


def _merit(values: np.ndarray, which: Which) -> np.ndarray:
    """Return what is larger for better eigenvalues."""
    return {"magnitude": np.abs(values), "largest": values, "smallest": -values}[which]
