"""Orthonormal bases that grow: the part of a vector outside a basis, and new directions for it."""

import torch
from torch import Tensor


def outside(basis: Tensor, vectors: Tensor) -> Tensor:
    """Return the part of `vectors`, [p] or [p, k], that is orthogonal to the orthonormal columns of `basis` [p, m]."""
    # Twice is enough for orthogonality to rounding (Giraud et al., Numer. Math. 101, 87, 2005).
    for _ in range(2):
        vectors = vectors - basis @ (basis.T @ vectors)
    return vectors


def extend(basis: Tensor, vectors: Tensor) -> Tensor:
    """Return orthonormal directions [p, k] outside `basis` [p, m] that with it span `vectors` [p, k] too.

    Needs m + k <= p. Vectors nearly inside the basis give directions that are mostly rounding, but orthonormal.
    """
    directions = torch.linalg.qr(outside(basis, vectors)).Q
    if basis.shape[1] == 0:
        return directions
    # Where next to nothing was left outside, scaling it up to length 1 scaled up its remaining part inside.
    return torch.linalg.qr(outside(basis, directions)).Q
