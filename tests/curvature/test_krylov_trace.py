"""The trace from Lanczos runs and quadratic forms, on matrices whose trace is known."""

import numpy as np
import pytest
import torch

from curvature.known_spectrum import KnownSpectrum
from curvature_mtl.curvature.krylov_trace import KrylovSpace, krylov_trace
from curvature_mtl.curvature.lanczos import lanczos_in_step
from curvature_mtl.curvature.trace import hutchinson_trace, rademacher


def outliers_over_bulk(p: int, seed: int) -> KnownSpectrum:
    """Make 10 outliers, 3 to 100, over an indefinite bulk."""
    bulk = 0.05 * np.random.default_rng(seed).standard_normal(p - 10)
    return KnownSpectrum(np.concatenate([np.geomspace(3, 100, 10), bulk]), seed)


def test_the_space_is_orthonormal_and_its_products_are_right() -> None:
    operator = outliers_over_bulk(200, seed=0)
    runs = lanczos_in_step(operator, list(rademacher(200, 3, seed=1)), 12)
    space = KrylovSpace.of_runs(runs)
    assert torch.allclose(space.basis @ space.basis.T, torch.eye(len(space.basis), dtype=torch.float64), atol=1e-10)
    assert torch.allclose(space.products.T, operator @ space.basis.T, atol=1e-4 * float(space.products.abs().max()))


def test_outside_is_the_form_of_the_projected_probe() -> None:
    operator = outliers_over_bulk(150, seed=2)
    space = KrylovSpace.of_runs(lanczos_in_step(operator, list(rademacher(150, 2, seed=3)), 8))
    probes = rademacher(150, 5, seed=4)
    projected = probes - probes @ space.basis.T @ space.basis
    expected = ((operator @ projected.T).T * projected).sum(1)
    forms = ((operator @ probes.T).T * probes).sum(1)
    assert torch.allclose(space.outside(probes, forms), expected, rtol=1e-4, atol=1e-3)


def test_within_three_standard_errors_in_95_of_100_seeds_and_less_spread_than_hutchinson() -> None:
    operator = outliers_over_bulk(300, seed=5)
    truth = operator.trace
    within, errors, plain = 0, [], []
    for seed in range(100):
        runs = lanczos_in_step(operator, list(rademacher(300, 2, seed=1000 + seed)), 20)
        probes = rademacher(300, 16, seed=seed)
        forms = ((operator @ probes.T).T * probes).sum(1)
        estimate = krylov_trace(runs, probes, forms)
        within += abs(estimate.value - truth) <= 3 * estimate.standard_error
        errors.append(abs(estimate.value - truth))
        plain.append(abs(hutchinson_trace(operator, probes).value - truth))
    assert within >= 95
    assert np.median(errors) < 0.5 * np.median(plain)


def test_a_space_that_holds_all_leaves_nothing_to_chance() -> None:
    operator = outliers_over_bulk(30, seed=6)
    runs = lanczos_in_step(operator, list(rademacher(30, 4, seed=7)), 15)
    probes = rademacher(30, 4, seed=8)
    estimate = krylov_trace(runs, probes, ((operator @ probes.T).T * probes).sum(1))
    assert estimate.value == pytest.approx(operator.trace, rel=1e-3)
    assert estimate.standard_error < 1e-3 * abs(operator.trace)


def test_refuses_what_it_cannot_use() -> None:
    operator = outliers_over_bulk(30, seed=6)
    probes = rademacher(30, 2, seed=0)
    one_step = lanczos_in_step(operator, list(probes), 1)
    with pytest.raises(ValueError, match="2 steps"):
        krylov_trace(one_step, probes, torch.ones(2))
    with pytest.raises(ValueError, match="at least one probe"):
        krylov_trace(lanczos_in_step(operator, list(probes), 3), probes[:0], torch.ones(0))
