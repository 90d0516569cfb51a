"""Quantities of a spectrum against the eigenvalues that it has."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from curvature.small_network import rotated
from curvature_mtl.curvature.columns import QUANTITY_COLUMNS
from curvature_mtl.curvature.quantities import Quantity, quantity_table, spectrum_quantities
from curvature_mtl.curvature.spectral_density import slq
from curvature_mtl.curvature.trace import rademacher

EIGENVALUES = torch.cat([torch.tensor([9.0, 5.0]), torch.linspace(-1, 2, 58)])
P = len(EIGENVALUES)
NAMES = [
    "n_parameters",
    "frobenius_norm",
    "effective_rank",
    "negative_share_of_eigenvalues",
    "negative_share_of_curvature",
]


def found_with(n_probes: int, steps: int) -> Sequence[Quantity]:
    matrix, probes = rotated(EIGENVALUES, seed=0), rademacher(P, n_probes, seed=0)
    return spectrum_quantities(matrix @ probes.T, slq(matrix, probes[:24], steps))


def test_each_is_within_its_error_of_the_eigenvalues_own() -> None:
    sizes, negative = EIGENVALUES.abs(), EIGENVALUES < 0
    truths = [
        P,
        EIGENVALUES.norm(),
        sizes.sum() ** 2 / sizes.square().sum(),
        negative.double().mean(),
        sizes[negative].sum() / sizes.sum(),
    ]
    for quantity, name, truth in zip(found_with(30, steps=P), NAMES, truths, strict=True):
        assert quantity.quantity == name
        assert abs(quantity.value - float(truth)) <= 3 * quantity.error
        assert quantity.error < 0.4 * float(truth)


def test_each_says_what_it_took() -> None:
    table = quantity_table(found_with(30, steps=10))
    assert table.columns.tolist() == QUANTITY_COLUMNS
    assert table["n_products"].tolist() == [0, 30, 240, 240, 240]
    assert table["n_probes"].tolist() == [0, 30, 24, 24, 24]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_definite_matrix_has_curvature_of_one_sign(sign: int) -> None:
    matrix = rotated(sign * torch.linspace(1, 2, 20), seed=0)
    probes = rademacher(20, 3, seed=0)
    found = {q.quantity: (q.value, q.error) for q in spectrum_quantities(matrix @ probes.T, slq(matrix, probes, 20))}
    for name in ("negative_share_of_eigenvalues", "negative_share_of_curvature"):
        np.testing.assert_allclose(found[name], ((1 - sign) / 2, 0), atol=1e-12)
