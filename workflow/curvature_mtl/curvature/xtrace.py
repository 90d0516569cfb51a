"""XTrace: every probe serves both the sketch of the range and, held out of it, the trace of the rest."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solve_triangular
from torch import Tensor

from curvature_mtl.curvature.operator import SymmetricOperator
from curvature_mtl.curvature.orthogonal import extend
from curvature_mtl.curvature.sphere import SphereSamples, sphere
from curvature_mtl.curvature.trace import TraceEstimate

# The sketch is of H + SHIFT * |H| I instead of H, lest it lose rank with H; relative to the products' length.
SHIFT = 1e-12
# ... and of this times the identity, should all products be zero.
LEAST_SHIFT = 1e-100


def xtrace(operator: SymmetricOperator, n_products: int, seed: int) -> TraceEstimate:
    """Estimate the trace from k = n_products // 2 probes on the sphere and 2k products; unbiased. See `XTrace`.

    Raises:
        ValueError: if there are fewer than 4 products or more than 2p, or a product is not finite.
    """
    p = operator.shape[0]
    if not 4 <= n_products < 2 * (p + 1):
        raise ValueError(f"XTrace on {p} parameters needs 4 to {2 * p + 1} products, got {n_products}")
    run = XTrace(operator, seed)
    run.add(n_products // 2)
    return run.estimate()


class XTrace:
    """XTrace between two blocks of probes: more may be added, and no product is made twice.

    For k probes w_i let Q_i be an orthonormal basis of the products H w_j of all others, and P_i = I - Q_i Q_i^T.
    The estimate is the mean over i of

        t_i = tr Q_i^T H Q_i + (p - k + 1) / |P_i w_i|^2 * w_i^T P_i H P_i w_i.

    Given Q_i, the direction of P_i w_i is uniform on the sphere of the p - k + 1 dimensions left, so each t_i is
    unbiased for every symmetric operator. All t_i follow from H W and H Q, with Q a basis of all products: 2k
    products, O(p k^2) other operations and two blocks [p, k] in memory.

    Source: Epperly, Tropp and Webber, SIAM J. Matrix Anal. Appl. 45, 1, 2024: algorithm 1 with the normalisation
    of their section 2.3.

    Standard error. Theirs, sqrt(var t_i / k), takes the t_i for independent. They are not: until the sketch has
    caught all large eigenvalues each probe lowers the others' errors, so they share them. With t_i^j for t_i
    without probe j in the sketch, and d_ij = t_i - t_i^j,

        cov(t_i, t_j) = E[d_ij d_ji],

    since t_i^j does not depend on w_j, and given all other probes t_j and t_j^i have the same mean: of the four
    terms of E[(t_i^j - tr + d_ij) (t_j^i - tr + d_ji)] only the last is not zero. So var t_i / k + the mean of
    d_ij d_ji over i != j is an unbiased estimate of the variance of the mean. The mean of d_ij d_ji is taken as
    zero where it is negative, which errs on the safe side.

    Attributes:
        n_products: matrix-vector products so far, two a probe.
        n_probes: k.
        samples: what the products H w_i alone say of the trace, by Hutchinson's estimator.
        seed: of the probes.
    """

    def __init__(self, operator: SymmetricOperator, seed: int):
        p = operator.shape[0]
        self.n_products = 0
        self.n_probes = 0
        self.seed = seed
        self.samples = SphereSamples(torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.float64))
        self._operator = operator
        self._probes = torch.empty(p, 0, dtype=torch.float64)
        self._basis = torch.empty(p, 0, dtype=torch.float64)  # Q
        self._sketch = np.empty((0, 0))  # Q^T H W, upper triangular
        self._inner = np.empty((0, 0))  # Q^T H Q

    def add(self, n: int) -> None:
        """Add `n` probes, with 2n products.

        Raises:
            ValueError: if there would be more than p probes, or a product is not finite.
        """
        p = len(self._probes)
        if self.n_probes + n > p:
            raise ValueError(f"XTrace on {p} parameters takes at most {p} probes, got {self.n_probes + n}")
        probes = sphere(p, n, self.seed, first=self.n_probes).T
        products = self._times(probes)
        size = float(torch.linalg.vector_norm(products) / torch.linalg.vector_norm(probes))
        sketch = products + (SHIFT * size or LEAST_SHIFT) * probes
        directions = extend(self._basis, sketch)
        self._inner = _bordered(self._inner, self._basis, directions, self._times(directions), symmetric=True)
        self._sketch = _bordered(self._sketch, self._basis, directions, sketch, symmetric=False)
        self.samples = self.samples.and_also(SphereSamples.of_products(probes, products, p))
        self._probes = torch.cat([self._probes, probes], dim=1)
        self._basis = torch.cat([self._basis, directions], dim=1)
        self.n_probes += n

    def estimate(self) -> TraceEstimate:
        """Return XTrace's estimate from the probes so far.

        Its standard error is NaN for a single probe, and 0 where Q spans everything.
        """
        if self.n_probes == len(self._probes):
            return self._stated(float(np.trace(self._inner)), 0.0, degrees_of_freedom=math.inf)
        held_out = self._held_out()
        estimates = held_out.estimates()
        error = _standard_error(held_out, estimates)
        return self._stated(float(estimates.mean()), error, degrees_of_freedom=self.n_probes - 1)

    def _stated(self, value: float, error: float, degrees_of_freedom: float) -> TraceEstimate:
        """Return the estimate with what it took."""
        return TraceEstimate(value, error, self.n_products, self.n_probes, "xtrace", self.seed, degrees_of_freedom)

    def _times(self, vectors: Tensor) -> Tensor:
        """Return the operator times a block [p, n], and count."""
        products = self._operator @ vectors
        if not products.isfinite().all():
            raise ValueError("XTrace: a product is not finite; check the loss and the weights")
        self.n_products += vectors.shape[1]
        return products

    def _held_out(self) -> "_HeldOut":
        """Put all that the estimates need into coordinates of the basis."""
        # Row i of the inverse is orthogonal to all columns of the sketch but the i-th: leaving probe i out takes
        # that direction, and no other, from the span.
        missing = solve_triangular(self._sketch, np.eye(self.n_probes)).T
        missing /= np.linalg.norm(missing, axis=0)
        coordinates = (self._basis.T @ self._probes).numpy()
        return _HeldOut(
            missing=missing,
            inner_missing=self._inner @ missing,
            coordinates=coordinates,
            inner_coordinates=self._inner @ coordinates,
            sketch=self._sketch,
            samples=self.samples.values.numpy(),
            trace_inside=float(np.trace(self._inner)),
            dimensions_left=len(self._probes) - self.n_probes + 1,
            squared_length=len(self._probes),
        )


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Probes w_i, each held out of the sketch of the others, in coordinates of Q; a column a probe.

    Attributes:
        missing: unit vector s_i: the span of the others' products is that of Q without Q s_i.
        inner_missing: Q^T H Q s_i.
        coordinates: Q^T w_i, less the directions of probes taken out.
        inner_coordinates: Q^T H Q times these.
        sketch: Q^T H w_i.
        samples: w_i . H w_i.
        trace_inside: tr Q^T H Q over what is still spanned.
        dimensions_left: outside the span of the others.
        squared_length: |w_i|^2.
    """

    missing: np.ndarray
    inner_missing: np.ndarray
    coordinates: np.ndarray
    inner_coordinates: np.ndarray
    sketch: np.ndarray
    samples: np.ndarray
    trace_inside: float
    dimensions_left: int
    squared_length: float

    def estimates(self) -> np.ndarray:
        """Return t_i for each probe."""
        along = _columns(self.missing, self.coordinates)
        inside = self.coordinates - self.missing * along  # Q_i Q_i^T w_i
        inner_inside = self.inner_coordinates - self.inner_missing * along
        rest = self.samples - 2 * _columns(self.sketch, inside) + _columns(inside, inner_inside)
        squared_length = self.squared_length - _columns(inside, inside)
        trace_inside = self.trace_inside - _columns(self.missing, self.inner_missing)
        return trace_inside + self.dimensions_left * rest / squared_length

    def without(self, j: int) -> "_HeldOut":
        """Return the same of all probes but j, which is taken out of the sketch."""
        others = np.arange(len(self.samples)) != j
        gone, inner_gone = self.missing[:, j], self.inner_missing[:, j]
        in_missing = gone @ self.missing[:, others]
        in_coordinates = gone @ self.coordinates[:, others]
        missing = self.missing[:, others] - np.outer(gone, in_missing)
        length = np.linalg.norm(missing, axis=0)
        return _HeldOut(
            missing=missing / length,
            inner_missing=(self.inner_missing[:, others] - np.outer(inner_gone, in_missing)) / length,
            coordinates=self.coordinates[:, others] - np.outer(gone, in_coordinates),
            inner_coordinates=self.inner_coordinates[:, others] - np.outer(inner_gone, in_coordinates),
            sketch=self.sketch[:, others],
            samples=self.samples[others],
            trace_inside=self.trace_inside - float(gone @ inner_gone),
            dimensions_left=self.dimensions_left + 1,
            squared_length=self.squared_length,
        )


def _standard_error(held_out: _HeldOut, estimates: np.ndarray) -> float:
    """Return the standard error of the mean of the t_i [k]; see `XTrace`."""
    k = len(estimates)
    if k == 1:
        return math.nan
    differences = np.zeros((k, k))
    for j in range(k):
        others = np.arange(k) != j
        differences[others, j] = estimates[others] - held_out.without(j).estimates()
    covariance = float((differences * differences.T).sum()) / (k * (k - 1))
    return math.sqrt(float(estimates.var(ddof=1)) / k + max(covariance, 0.0))


def _bordered(old: np.ndarray, basis: Tensor, directions: Tensor, block: Tensor, symmetric: bool) -> np.ndarray:
    """Return the matrix of Q^T times a block per column, with the new columns, and zeros or their mirror below."""
    above, corner = (basis.T @ block).numpy(), (directions.T @ block).numpy()
    # Products in float32 are symmetric up to rounding only.
    below, corner = (above.T, (corner + corner.T) / 2) if symmetric else (np.zeros_like(above.T), np.triu(corner))
    return np.block([[old, above], [below, corner]])


def _columns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the inner product of each column of `a` with that of `b`."""
    return (a * b).sum(axis=0)
