"""Accurate labels against tblite called by hand, differences of energies, and calculations that fail."""

import numpy as np
import pytest
from tblite.interface import Calculator

from curvature_mtl.consistency.label import energy_and_forces
from curvature_mtl.datasets.sample_molecules import Unlabelled

# Formaldehyde, off its minimum.
NUMBERS = np.array([6, 8, 1, 1])
POSITIONS = np.array([[0.0, 0.01, 0.0], [0.0, 0.0, 1.25], [0.93, 0.02, -0.6], [-0.95, 0.0, -0.55]])


def test_energy_agrees_with_tblite_called_by_hand_much_more_strictly() -> None:
    calculator = Calculator("GFN2-xTB", NUMBERS, POSITIONS * 1.8897261246)
    calculator.set("accuracy", 1e-4)
    energy, forces = energy_and_forces(NUMBERS, POSITIONS)
    result = calculator.singlepoint()
    assert energy / 27.2113862 == pytest.approx(float(result["energy"]), abs=1e-7)
    np.testing.assert_allclose(forces, -result["gradient"] * 27.2113862 * 1.8897261246, atol=2e-4)


def test_forces_are_minus_the_slope_of_the_energy() -> None:
    forces, step = energy_and_forces(NUMBERS, POSITIONS)[1], 1e-3
    for atom, axis in ((0, 2), (1, 1), (2, 0)):
        shift = np.zeros_like(POSITIONS)
        shift[atom, axis] = step
        above, below = (energy_and_forces(NUMBERS, POSITIONS + sign * shift)[0] for sign in (1, -1))
        assert forces[atom, axis] == pytest.approx(-(above - below) / (2 * step), abs=2e-3)


def test_a_label_depends_on_its_geometry_alone() -> None:
    first = energy_and_forces(NUMBERS, POSITIONS)
    energy_and_forces(NUMBERS, POSITIONS * 1.1)
    again = energy_and_forces(NUMBERS, POSITIONS)
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


def test_an_element_that_the_engine_lacks_is_a_reason() -> None:
    with pytest.raises(Unlabelled, match=r"^GFN2-xTB failed: No support for elements with Z >86"):
        energy_and_forces(np.array([92, 9]), np.array([[0.0, 0, 0], [0, 0, 2]]))


def test_a_field_that_does_not_converge_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    set_option = Calculator.set

    def set_few_steps(self: Calculator, name: str, value: float) -> None:
        set_option(self, name, value)
        set_option(self, "max-iter", 2)

    monkeypatch.setattr(Calculator, "set", set_few_steps)
    with pytest.raises(Unlabelled, match="GFN2-xTB failed: SCF not converged"):
        energy_and_forces(NUMBERS, POSITIONS)
