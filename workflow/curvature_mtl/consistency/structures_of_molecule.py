"""All geometries of one molecule with their energies and forces, or at which stage it failed and why."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from curvature_mtl.consistency.bonding import changed_bonding
from curvature_mtl.consistency.cheap_structures import cheap_structure, mmff94_hessian
from curvature_mtl.consistency.equilibrium import POSITION_DECIMALS, Equilibrium, relax
from curvature_mtl.consistency.label import energy_and_forces
from curvature_mtl.consistency.perturbed_structures import perturbed_structures
from curvature_mtl.consistency.structure_store import SUBSETS, MoleculeStructures
from curvature_mtl.datasets.sample_molecules import Unlabelled

TRAIN = SUBSETS[0]


class Rejected(Exception):
    """The molecule is left out; at which stage, and why."""

    def __init__(self, stage: str, reason: str):
        super().__init__(reason)
        self.stage, self.reason = stage, reason


def structures_as_json(molecule: Sequence[str], perturbed: int, seed: int) -> dict[str, Any]:
    """Return the structures of a molecule as JSON can hold them, or `stage` and `reason` of its rejection.

    Args:
        molecule: its SMILES and its subset.
        perturbed: number of perturbed geometries.
        seed: of the embedding and of the perturbed geometries, together with the SMILES.
    """
    smiles, subset = molecule
    try:
        made = structures_of_molecule(smiles, subset, perturbed, seed)
    except Rejected as rejected:
        return {"stage": rejected.stage, "reason": rejected.reason}
    return {name: np.asarray(value).tolist() for name, value in vars(made).items()}


def structures_from_json(row: dict[str, Any]) -> MoleculeStructures:
    """Return what `structures_as_json` made of a molecule that was not rejected."""
    fields: dict[str, Any] = {k: np.array(value) if isinstance(value, list) else value for k, value in row.items()}
    return MoleculeStructures(**fields)


def structures_of_molecule(smiles: str, subset: str, perturbed: int, seed: int) -> MoleculeStructures:
    """Make the cheap structure, the perturbed ones around it, their labels and, unless for training, the equilibrium.

    Positions are rounded before they are labelled, so that labels belong to what is stored.

    Raises:
        Rejected: with the stage and the reason.
    """
    with _stage("cheap structure"):
        molecule = cheap_structure(smiles, seed)
        numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()], dtype=np.int64)
        positions = molecule.GetConformer().GetPositions().round(POSITION_DECIMALS)
        bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in molecule.GetBonds()], dtype=np.int64).T
        if change := changed_bonding(numbers, positions, bonds):
            raise Unlabelled(change)
    with _stage("accurate label"):
        cheap_energy, cheap_forces = energy_and_forces(numbers, positions)
    geometries = perturbed_structures(positions, mmff94_hessian(molecule), perturbed, _generator(smiles, seed))
    geometries = geometries.round(POSITION_DECIMALS)
    perturbed_energy, perturbed_forces = _labels(numbers, geometries)
    equilibrium = Equilibrium(np.full_like(positions, np.nan), np.nan, np.nan)
    if subset != TRAIN:
        with _stage("equilibrium"):
            equilibrium = relax(numbers, positions, bonds)
    return MoleculeStructures(
        numbers=numbers,
        bonds=bonds,
        bond_orders=np.array([bond.GetBondTypeAsDouble() for bond in molecule.GetBonds()]),
        cheap_positions=positions,
        cheap_energy=cheap_energy,
        cheap_forces=cheap_forces,
        perturbed_positions=geometries,
        perturbed_energy=perturbed_energy,
        perturbed_forces=perturbed_forces,
        equilibrium_positions=equilibrium.positions,
        equilibrium_energy=equilibrium.energy,
        equilibrium_max_force=equilibrium.max_force,
        subset=SUBSETS.index(subset),
    )


@contextmanager
def _stage(name: str) -> Iterator[None]:
    try:
        yield
    except Unlabelled as reason:
        raise Rejected(name, str(reason)) from reason


def _labels(numbers: np.ndarray, geometries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return energies [geometries] and forces [geometries, atoms, 3]; NaN where the calculation fails."""
    energies, forces = np.full(len(geometries), np.nan), np.full_like(geometries, np.nan)
    for number, positions in enumerate(geometries):
        try:
            energies[number], forces[number] = energy_and_forces(numbers, positions)
        except Unlabelled:
            continue
    return energies, forces


def _generator(smiles: str, seed: int) -> np.random.Generator:
    """Return a generator of the molecule's own: its neighbours in the list do not matter."""
    return np.random.default_rng(int.from_bytes(f"{seed} {smiles}".encode()))
