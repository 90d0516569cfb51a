"""Perturbed geometries: the thermal distribution of the harmonic force field, and noise of the stated sizes."""

import numpy as np
import pytest

from curvature_mtl.consistency.cheap_structures import cheap_structure, mmff94_hessian
from curvature_mtl.consistency.perturbed_structures import (
    BOLTZMANN,
    NOISE_WIDTHS,
    SOFTEST_MODE,
    TEMPERATURES,
    perturbed_structures,
)

COUNT = 4000


@pytest.fixture(scope="module")
def system() -> tuple[np.ndarray, np.ndarray]:
    molecule = cheap_structure("CCO", seed=0)
    return molecule.GetConformer().GetPositions(), mmff94_hessian(molecule)


@pytest.fixture(scope="module")
def displacements(system: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    positions, hessian = system
    return perturbed_structures(positions, hessian, COUNT, np.random.default_rng(0)) - positions


def mean_in_logarithm(low: float, high: float) -> float:
    return (high - low) / np.log(high / low)


def test_thermal_geometries_have_kt_half_a_stiff_mode(
    system: tuple[np.ndarray, np.ndarray], displacements: np.ndarray
) -> None:
    """Equipartition: the harmonic energy of each mode has the mean kT/2, if it is no softer than the softest."""
    curvatures, modes = np.linalg.eigh(system[1])
    along = displacements[::2].reshape(COUNT // 2, -1) @ modes
    energies = 0.5 * curvatures * (along**2).mean(0)
    stiff = curvatures > SOFTEST_MODE
    expected = 0.5 * BOLTZMANN * mean_in_logarithm(*TEMPERATURES)
    assert stiff.sum() >= 3 * 9 - 6 - 2
    np.testing.assert_allclose(energies[stiff], expected, rtol=0.2)
    assert energies[stiff].mean() == pytest.approx(expected, rel=0.05)


def test_thermal_geometries_do_not_move_as_a_whole(displacements: np.ndarray) -> None:
    assert abs(displacements[::2].mean(axis=1)).max() < 1e-4
    assert abs(displacements[1::2].mean(axis=1)).max() > 0.01  # noise does


def test_noise_has_the_stated_widths_in_every_coordinate(displacements: np.ndarray) -> None:
    widths = np.sqrt((displacements[1::2] ** 2).mean(axis=(1, 2)))
    low, high = NOISE_WIDTHS
    assert widths.mean() == pytest.approx(mean_in_logarithm(low, high), rel=0.05)
    assert ((low / 2 < widths) & (widths < 2 * high)).all()
    assert displacements[1::2].var(axis=0) == pytest.approx((high**2 - low**2) / (2 * np.log(high / low)), rel=0.25)


def test_as_many_as_asked_for_and_fewer_are_the_first_of_more(system: tuple[np.ndarray, np.ndarray]) -> None:
    positions, hessian = system
    few, more = (perturbed_structures(positions, hessian, count, np.random.default_rng(1)) for count in (1, 3))
    assert few.shape == (1, 9, 3)
    np.testing.assert_array_equal(few, more[:1])
