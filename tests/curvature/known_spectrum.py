"""An operator with stated eigenvalues, in float32 and quick to multiply; and how often intervals hold the truth."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.fft import dct, idct
from torch import Tensor

from curvature_mtl.curvature.trace import TraceEstimate

P, OUTLIERS = 3000, 20


class KnownSpectrum:
    """H = S C^T diag(eigenvalues) C S: C is the cosine transform, S random signs. Products are made in float32."""

    def __init__(self, eigenvalues: np.ndarray, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.eigenvalues = rng.permutation(eigenvalues.astype(np.float32))
        self.shape = (len(eigenvalues), len(eigenvalues))
        self.n_products = 0
        self._signs = (2 * rng.integers(2, size=len(eigenvalues)) - 1).astype(np.float32)

    @property
    def trace(self) -> float:
        return float(self.eigenvalues.sum(dtype=np.float64))

    def __matmul__(self, vectors: Tensor) -> Tensor:
        columns = vectors.reshape(len(vectors), -1).numpy().astype(np.float32)
        self.n_products += columns.shape[1]
        transformed = dct(self._signs[:, None] * columns, axis=0, norm="ortho")
        products = self._signs[:, None] * idct(self.eigenvalues[:, None] * transformed, axis=0, norm="ortho")
        return torch.from_numpy(products).to(vectors).reshape(vectors.shape)


@cache
def outliers_over_bulk(least: float = 3, bulk: float = 0.05) -> KnownSpectrum:
    """Make 20 outliers, `least` to 100 in geometric steps, over an indefinite bulk of normal eigenvalues."""
    rng = np.random.default_rng(0)
    outliers, rest = np.geomspace(least, 100, OUTLIERS), bulk * rng.standard_normal(P - OUTLIERS)
    return KnownSpectrum(np.concatenate([outliers, rest]))


def coverage(estimates: Sequence[TraceEstimate], truth: float) -> float:
    """Return the share of the nominal 95 % intervals that hold the truth."""
    return float(np.mean([low <= truth <= high for low, high in (estimate.interval() for estimate in estimates)]))


def slowly(*values: Any) -> Any:
    """Return a case of `parametrize` that `make test-full` runs: a coverage takes 400 estimates."""
    return pytest.param(*values, marks=pytest.mark.slow)


def relative_errors(estimates: Sequence[TraceEstimate], truth: float) -> np.ndarray:
    return np.array([estimate.value for estimate in estimates]) / truth - 1
