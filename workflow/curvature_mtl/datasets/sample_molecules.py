"""Label small molecules with three semi-empirical methods: a real multi-task dataset, made in seconds.

Geometry: ETKDGv3 embedding, then MMFF94 minimisation (both RDKit). Labels: single points with GFN1-xTB
(Grimme et al. 2017), GFN2-xTB (Bannwarth et al. 2019) and IPEA1-xTB (Asgeirsson et al. 2017) through tblite.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator, Result

from curvature_mtl.datasets.registry import SOURCES, XTB_LEVELS
from curvature_mtl.datasets.worker_processes import label_each
from curvature_mtl.finished_parts import FinishedParts

TASK_UNITS: dict[str, str] = {task.name: task.unit for task in SOURCES["sample_molecules"].tasks}

# The self-consistent field stops at changes below 1e-6 hartree (3e-5 eV) and 2e-5 electrons (about 1e-4 debye):
# further decimals mean nothing, and the last bits differ from one processor to the next.
DECIMALS = 4

UNPAIRED_ELECTRONS = {"H": 1, "C": 2, "N": 3, "O": 2, "F": 1}  # ground states of the atoms, by Hund's rule
MMFF94_STEPS = 5000

# CODATA 2018
EV_PER_HARTREE = 27.211386245988
ANGSTROM_PER_BOHR = 0.529177210903
DEBYE_PER_ATOMIC_UNIT = 2.541746473


class Unlabelled(ValueError):
    """The molecule cannot be labelled; the message is the reason for the column `reject_reason`."""


def label_molecules(smiles: Sequence[str], seed: int, processes: int, finished: FinishedParts) -> pd.DataFrame:
    """Return one row a molecule, in the given order, whatever the number of processes, and of kills before.

    Args:
        smiles: neutral closed-shell molecules of H, C, N, O and F.
        seed: with a molecule's SMILES it seeds the molecule's embedding.
        processes: how many molecules are labelled at a time, each with one thread.
        finished: keeps what is labelled until all is; its fingerprint is that of the seed and this code.

    Returns:
        columns `smiles`, the tasks of `TASK_UNITS`, and `reject_reason`; the reason is empty for a labelled
        molecule, and the labels are NaN for one with a reason.
    """
    rows = label_each(partial(_row, seed=seed), smiles, processes, finished, unit="molecule")
    return pd.DataFrame(rows, columns=["smiles", *TASK_UNITS, "reject_reason"])


def _row(smiles: str, seed: int) -> dict[str, str | float]:
    try:
        labels = {task: round(value, DECIMALS) for task, value in label_molecule(smiles, seed).items()}
    except Unlabelled as reason:
        return {"smiles": smiles, "reject_reason": str(reason)}
    return {"smiles": smiles, **labels, "reject_reason": ""}


def label_molecule(smiles: str, seed: int) -> dict[str, float]:
    """Return the label of each task, in the units of `TASK_UNITS`.

    Raises:
        Unlabelled: with the reason, if the SMILES, the geometry or a self-consistent field fails.
    """
    molecule = embed(smiles, seed)
    symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    positions = molecule.GetConformer().GetPositions()
    return {
        f"{name}-{level}": value
        for level in XTB_LEVELS
        for name, value in _labels_at(level, symbols, positions).items()
    }


def embed(smiles: str, seed: int) -> Chem.Mol:
    """Return the molecule of `UNPAIRED_ELECTRONS` with hydrogens and one conformer, a minimum of MMFF94.

    Raises:
        Unlabelled: with the reason.
    """
    molecule = read_closed_shell(smiles)
    unknown = sorted({atom.GetSymbol() for atom in molecule.GetAtoms()} - set(UNPAIRED_ELECTRONS))
    if unknown:
        raise Unlabelled(f"element {', '.join(unknown)} is not among {', '.join(UNPAIRED_ELECTRONS)}")
    return mmff94_minimum(molecule, smiles, seed)


def read_closed_shell(smiles: str) -> Chem.Mol:
    """Return the molecule with hydrogens, without a conformer.

    Raises:
        Unlabelled: with the reason, if RDKit cannot read it or it is charged or has unpaired electrons.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise Unlabelled("SMILES cannot be read by RDKit")
    molecule = Chem.AddHs(molecule)
    if Chem.GetFormalCharge(molecule) or any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
        raise Unlabelled("not a neutral closed-shell molecule")
    return molecule


def mmff94_minimum(molecule: Chem.Mol, smiles: str, seed: int) -> Chem.Mol:
    """Give a molecule with hydrogens one conformer by ETKDGv3, a minimum of MMFF94.

    Args:
        molecule: changed, and returned.
        smiles: its name, which seeds the embedding together with `seed`.

    Raises:
        Unlabelled: with the reason.
    """
    with rdBase.BlockLogs():
        if rdDistGeom.EmbedMolecule(molecule, _embedding(smiles, seed)) != 0:
            raise Unlabelled("no 3D embedding")
        outcome = rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, mmffVariant="MMFF94", maxIters=MMFF94_STEPS)
    if outcome < 0:
        raise Unlabelled("no MMFF94 parameters")
    if outcome > 0:
        raise Unlabelled(f"MMFF94 minimisation not converged after {MMFF94_STEPS} steps")
    return molecule


def _embedding(smiles: str, seed: int) -> rdDistGeom.EmbedParameters:
    """Return ETKDGv3 with a seed of the molecule's own, so that its neighbours in the list do not matter."""
    digest = hashlib.sha256(f"{seed} {smiles}".encode()).digest()
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = int.from_bytes(digest[:4]) >> 1  # type: ignore[assignment]  # 31 bits; RDKit's stub errs
    return parameters


def _labels_at(level: str, symbols: Sequence[str], positions: np.ndarray) -> dict[str, float]:
    """Return the four labels at one level; `positions` [atoms, 3] in angstrom."""
    result = single_point(level, symbols, positions)
    orbitals = result["orbital-energies"]
    homo = round(result["orbital-occupations"].sum() / 2) - 1
    atoms = sum(_atom_energy(level, symbol) for symbol in symbols)
    return {
        "gap": float(orbitals[homo + 1] - orbitals[homo]) * EV_PER_HARTREE,
        "homo": float(orbitals[homo]) * EV_PER_HARTREE,
        "dipole": float(np.linalg.norm(result["dipole"])) * DEBYE_PER_ATOMIC_UNIT,
        "atomization": (atoms - float(result["energy"])) * EV_PER_HARTREE,
    }


@lru_cache
def _atom_energy(level: str, symbol: str) -> float:
    """Return the energy of an isolated atom in its ground state, in hartree.

    As xtb has it, with the entropy of electrons at 300 K: 0.049 eV for the open p shells of C, O and F.
    """
    return float(single_point(level, [symbol], np.zeros((1, 3)), UNPAIRED_ELECTRONS[symbol])["energy"])


def single_point(level: str, symbols: Sequence[str], positions: np.ndarray, unpaired: int = 0) -> Result:
    """Return tblite's result, in atomic units, of a neutral molecule.

    Args:
        level: one of `XTB_LEVELS`.
        symbols: element of each atom.
        positions: [atoms, 3] in angstrom.
        unpaired: number of unpaired electrons.

    Raises:
        Unlabelled: with tblite's reason, such as a self-consistent field that does not converge.
    """
    table = Chem.GetPeriodicTable()
    numbers = np.array([table.GetAtomicNumber(symbol) for symbol in symbols])
    try:
        calculator = Calculator(f"{level}-xTB", numbers, positions / ANGSTROM_PER_BOHR, uhf=unpaired)
        calculator.set("verbosity", 0)
        return calculator.singlepoint()
    except TBLiteRuntimeError as error:
        raise Unlabelled(f"{level}-xTB failed: {error}") from error
