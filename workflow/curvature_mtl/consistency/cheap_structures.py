"""Structures by a cheap method: a conformer of the molecular graph, relaxed with MMFF94 (RDKit, both)."""

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers

from curvature_mtl.datasets.sample_molecules import Unlabelled, mmff94_minimum, read_closed_shell

EV_PER_KCAL_PER_MOLE = 0.0433641  # CODATA 2018, thermochemical calorie
DIFFERENCE_STEP = 1e-4  # angstrom


def cheap_structure(smiles: str, seed: int) -> Chem.Mol:
    """Return the molecule with all hydrogens and one conformer: a minimum of MMFF94, from ETKDGv3.

    The embedding is seeded by `seed` and the SMILES, so the other molecules do not matter. Stereocentres that the
    SMILES leaves open come out as the embedding has them.

    Raises:
        Unlabelled: with the reason.
    """
    molecule = read_closed_shell(smiles)
    if len(Chem.GetMolFrags(molecule)) > 1:
        raise Unlabelled("more than one molecule")
    return mmff94_minimum(molecule, smiles, seed)


def mmff94_hessian(molecule: Chem.Mol) -> np.ndarray:
    """Return [3 x atoms, 3 x atoms] second derivatives of MMFF94 at the conformer, eV/angstrom^2.

    Central differences of the analytic gradient.
    """
    molecule = Chem.Mol(molecule)
    conformer = molecule.GetConformer()
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(
        molecule, rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule, mmffVariant="MMFF94")
    )

    def gradient(positions: np.ndarray) -> np.ndarray:
        conformer.SetPositions(positions.reshape(-1, 3))
        field.Initialize()  # the field keeps the distances of the positions before: CalcGrad(positions) is wrong
        return np.array(field.CalcGrad())

    minimum = conformer.GetPositions().ravel()
    steps = DIFFERENCE_STEP * np.eye(len(minimum))
    rows = [gradient(minimum + step) - gradient(minimum - step) for step in steps]
    hessian = np.array(rows) * EV_PER_KCAL_PER_MOLE / (2 * DIFFERENCE_STEP)
    return (hessian + hessian.T) / 2
