"""Hutch++: the trace inside a sketched range exactly, and the rest by Hutchinson's estimator."""

import torch

from curvature_mtl.curvature.operator import SymmetricOperator
from curvature_mtl.curvature.orthogonal import outside
from curvature_mtl.curvature.sphere import SphereSamples, on_sphere, sphere
from curvature_mtl.curvature.trace import TraceEstimate


def hutchplusplus_trace(operator: SymmetricOperator, n_products: int, seed: int) -> TraceEstimate:
    """Estimate the trace as tr Q^T H Q, plus Hutchinson's estimate of the trace of (I - QQ^T) H (I - QQ^T).

    Q is an orthonormal basis of H S for a block S of random vectors, so it holds the directions of the eigenvalues
    that are large in magnitude, of either sign; a third of the products go into each of H S, H Q and the probes
    of the rest. Given Q, the first term is exact and the second unbiased, so the estimate is unbiased for
    every symmetric operator, and its error is that of the second term alone, from n_products - 2 * (n_products // 3)
    probes: see `SphereSamples`.

    Source: Meyer, Musco, Musco and Woodruff, SIAM Symposium on Simplicity in Algorithms, 2021, algorithm 1. Their
    bound is for semi-definite matrices; unbiasedness needs no sign. Their probes are signs; these are uniform on the
    sphere outside Q, where the products tell the variance better than the scatter of a few samples.

    Args:
        operator: H, [p, p].
        n_products: of the operator, all of which are made.
        seed: of the random vectors.

    Raises:
        ValueError: if there are fewer than 3 products, the sketch would be wider than p, or a product is not finite.
    """
    p, width = operator.shape[0], n_products // 3
    if not 1 <= width <= p:
        raise ValueError(f"Hutch++ on {p} parameters needs 3 to {3 * p + 2} products, got {n_products}")
    vectors = sphere(p, n_products - width, seed).T
    sketch = operator @ vectors[:, :width]
    if not sketch.isfinite().all():
        raise ValueError("Hutch++: a product is not finite; check the loss and the weights")
    basis = torch.linalg.qr(sketch).Q
    inside = float((basis * (operator @ basis)).sum())
    # In no dimensions at all, any number serves as theirs.
    left = max(p - width, 1)
    probes = on_sphere(outside(basis, vectors[:, width:]), left)
    rest = SphereSamples.of_products(probes, outside(basis, operator @ probes), left)
    return TraceEstimate(
        inside + rest.mean(),
        rest.standard_error(),
        n_products,
        n_probes=len(rest),
        method="hutchplusplus",
        seed=seed,
        degrees_of_freedom=rest.degrees_of_freedom(),
    )
