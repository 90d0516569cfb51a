"""Cheap structures: refused with a reason, and a Hessian that agrees with second differences of the energy."""

import numpy as np
import pytest
from rdkit.Chem import rdForceFieldHelpers

from curvature_mtl.consistency.cheap_structures import cheap_structure, mmff94_hessian
from curvature_mtl.datasets.sample_molecules import Unlabelled

REASONS = {
    "C[": "SMILES cannot be read by RDKit",
    "": "SMILES cannot be read by RDKit",
    "C[NH3+]": "not a neutral closed-shell molecule",
    "[CH3]": "not a neutral closed-shell molecule",
    "[Na+].[Cl-]": "more than one molecule",
    "O.O": "more than one molecule",
    "C1#CC1": "no 3D embedding",
    "CB(C)C": "no MMFF94 parameters",
    "C[Ge](C)(C)C": "no MMFF94 parameters",
    "[Xe]": "no MMFF94 parameters",
}


@pytest.mark.parametrize("smiles", REASONS)
def test_what_has_no_cheap_structure_is_refused_with_the_reason(smiles: str) -> None:
    with pytest.raises(Unlabelled, match=f"^{REASONS[smiles]}$"):
        cheap_structure(smiles, seed=0)


@pytest.mark.parametrize("smiles", ["CCl", "CS(C)=O", "CBr", "C[Si](C)(C)C", "O=P(O)(O)O"])
def test_elements_beyond_those_of_the_sample_have_structures(smiles: str) -> None:
    assert cheap_structure(smiles, seed=0).GetNumConformers() == 1


def test_the_hessian_agrees_with_second_differences_of_the_energy() -> None:
    molecule = cheap_structure("CO", seed=0)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(
        molecule, rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule, mmffVariant="MMFF94")
    )
    minimum, step = molecule.GetConformer().GetPositions().ravel(), 1e-3
    axes = step * np.eye(len(minimum))

    def energy(positions: np.ndarray) -> float:
        return field.CalcEnergy(positions.tolist()) / 23.0605  # kcal/mol in eV

    def second_difference(i: np.ndarray, j: np.ndarray) -> float:
        return energy(minimum + i + j) - energy(minimum + i - j) - energy(minimum - i + j) + energy(minimum - i - j)

    expected = np.array([[second_difference(i, j) for j in axes] for i in axes]) / (4 * step**2)
    np.testing.assert_allclose(mmff94_hessian(molecule), expected, atol=2e-3)


def test_the_hessian_at_a_minimum_has_six_rigid_modes_and_no_descent() -> None:
    curvatures = np.linalg.eigvalsh(mmff94_hessian(cheap_structure("NC=O", seed=0)))
    assert (abs(curvatures[:6]) < 0.01).all()
    assert (curvatures[6:] > 0.05).all()
