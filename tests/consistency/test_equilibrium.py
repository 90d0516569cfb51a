"""Relaxations: against another minimiser, and refused where they fail or the bonds change."""

import numpy as np
import pytest
from ase.calculators.calculator import CalculationFailed
from scipy.optimize import minimize
from tblite.ase import TBLite

from curvature_mtl.consistency import equilibrium as module
from curvature_mtl.consistency.bonding import changed_bonding
from curvature_mtl.consistency.cheap_structures import cheap_structure
from curvature_mtl.consistency.equilibrium import MAX_FORCE, relax
from curvature_mtl.consistency.label import energy_and_forces
from curvature_mtl.datasets.sample_molecules import Unlabelled

WATER = np.array([8, 1, 1])
BENT = np.array([[0.0, 0, 0], [1.05, 0, 0], [-0.2, 0.9, 0]])
OH_BONDS = np.array([[0, 0], [1, 2]])


def graph_and_geometry(smiles: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    molecule = cheap_structure(smiles, seed=0)
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    bonds = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]).T
    return numbers, molecule.GetConformer().GetPositions(), bonds


def test_another_minimiser_finds_the_same_minimum() -> None:
    numbers, positions, bonds = graph_and_geometry("CO")
    found = relax(numbers, positions, bonds)

    def energy_and_slope(flat: np.ndarray) -> tuple[float, np.ndarray]:
        energy, forces = energy_and_forces(numbers, flat.reshape(-1, 3))
        return energy, -forces.ravel()

    options = {"gtol": 1e-3, "ftol": 0}
    other = minimize(energy_and_slope, positions.ravel(), jac=True, method="L-BFGS-B", options=options)
    assert found.energy == pytest.approx(other.fun, abs=1e-5)
    pairs = [np.linalg.norm(x[:, None] - x, axis=-1) for x in (found.positions, other.x.reshape(-1, 3))]
    np.testing.assert_allclose(pairs[0], pairs[1], atol=5e-3)


def test_energy_and_force_are_those_of_the_positions_that_are_returned() -> None:
    found = relax(WATER, BENT, OH_BONDS)
    energy, forces = energy_and_forces(WATER, found.positions)
    assert found.energy == energy < energy_and_forces(WATER, BENT)[0]
    assert found.max_force == np.linalg.norm(forces, axis=1).max() <= MAX_FORCE
    one, two = found.positions[1:] - found.positions[0]
    angle = np.degrees(np.arccos(one @ two / np.linalg.norm(one) / np.linalg.norm(two)))
    assert np.linalg.norm(one) == pytest.approx(0.958, abs=0.01)  # as measured
    assert angle == pytest.approx(104.5, abs=4)


AMMONIA = np.array([7, 1, 1, 1])
PLANAR = np.array([[0.0, 0, 0], *([np.cos(a), np.sin(a), 0] for a in 2 * np.pi * np.arange(3) / 3)])
NH_BONDS = np.array([[0, 0, 0], [1, 2, 3]])


def test_planar_ammonia_is_left_for_the_pyramid() -> None:
    """Forces of a planar molecule lie in its plane: downhill from there is a saddle point."""
    found = relax(AMMONIA, PLANAR, NH_BONDS)
    first, second, third = found.positions[1:] - found.positions[0]
    assert abs(np.dot(first, np.cross(second, third))) > 0.5
    saddle = module._descend(AMMONIA, PLANAR)
    assert abs(saddle.positions[:, 2]).max() < 1e-3
    assert saddle.max_force <= MAX_FORCE
    assert found.energy < saddle.energy - 0.1


def test_a_saddle_point_is_no_equilibrium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SADDLES", 1)
    with pytest.raises(Unlabelled, match=r"^relaxed to 1 saddle points and no minimum$"):
        relax(AMMONIA, PLANAR, NH_BONDS)


def test_a_relaxation_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 2)
    with pytest.raises(Unlabelled, match=r"^not relaxed to 0.002 eV/angstrom after 2 steps$"):
        relax(WATER, BENT, OH_BONDS)


def test_a_calculation_that_fails_on_the_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise CalculationFailed("SCF not converged in 250 cycles")

    monkeypatch.setattr(TBLite, "calculate", fail)
    with pytest.raises(Unlabelled, match=r"^GFN2-xTB failed along the relaxation: SCF not converged in 250 cycles$"):
        relax(WATER, BENT, OH_BONDS)


def test_a_bond_that_breaks_on_the_way_is_refused() -> None:
    """Two waters as a graph has them that bonds the second oxygen to the first: they fly apart."""
    positions = np.concatenate([BENT, -BENT + [-1.9, -1.0, 0]])
    bonds = np.array([[0, 0, 3, 3, 0], [1, 2, 4, 5, 3]])
    with pytest.raises(Unlabelled, match=r"^a bond broke$"):
        relax(np.tile(WATER, 2), positions, bonds)


def test_bonding_is_read_from_distances() -> None:
    numbers, positions, bonds = graph_and_geometry("C1CO1")
    assert changed_bonding(numbers, positions, bonds) == ""
    assert changed_bonding(numbers, positions, bonds[:, 1:]) == "a bond formed"
    assert changed_bonding(numbers, positions * [1, 1, 2.5], bonds) == "a bond broke"
    assert changed_bonding(numbers, positions * 0.4, bonds) == "atoms collapsed"
    assert changed_bonding(numbers, positions[:, [1, 2, 0]] + 3, bonds[::-1]) == ""
