"""The featurizer of each kind of structure."""

from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDepictor

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.raw import Unreadable
from curvature_mtl.datasets.registry import MOLECULE
from curvature_mtl.graphs.crystal import (
    DISTANCE_CENTRES,
    crystal_to_graph,
    describe,
    element_symbol,
    element_table,
    nearest_neighbours,
)
from curvature_mtl.graphs.featurize import Featurizer
from curvature_mtl.graphs.molecule import canonical_smiles, molecule_to_graph, read_smiles, scaffold_smiles
from curvature_mtl.graphs.read_crystal import Crystal, read_crystal
from curvature_mtl.graphs.store import Graph


def featurizer_of(entry: DatasetEntry) -> Featurizer:
    """Return the featurizer for a dataset's kind of structure."""
    if entry.kind == MOLECULE:
        return MoleculeFeaturizer(entry.explicit_hydrogens)
    return CrystalFeaturizer(entry.max_sites)


class MoleculeFeaturizer(Featurizer):
    """SMILES to molecular graphs; groups: canonical SMILES `molecule` and Bemis-Murcko `scaffold`."""

    def __init__(self, explicit_hydrogens: bool):
        self._explicit_hydrogens = explicit_hydrogens

    def graph(self, structure: str) -> tuple[Graph, dict[str, str]]:
        molecule = read_smiles(structure)
        groups = {"molecule": canonical_smiles(molecule), "scaffold": scaffold_smiles(molecule)}
        return molecule_to_graph(molecule, self._explicit_hydrogens), groups

    def drawing(self, structure: str) -> dict[str, Any]:
        molecule = read_smiles(structure)
        if self._explicit_hydrogens:
            molecule = Chem.AddHs(molecule)
        rdDepictor.Compute2DCoords(molecule)
        edges = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), [0, 0, 0]) for bond in molecule.GetBonds()]
        return {
            "symbols": [atom.GetSymbol() for atom in molecule.GetAtoms()],
            "positions": molecule.GetConformer().GetPositions().round(4).tolist(),
            "edges": edges,
            "cell": None,
        }


class CrystalFeaturizer(Featurizer):
    """Crystals to graphs of nearest neighbours; groups: reduced `formula` and `chemical_system`."""

    distance_centres = DISTANCE_CENTRES

    def __init__(self, max_sites: int):
        self._max_sites = max_sites
        self.node_table = element_table()

    def graph(self, structure: str) -> tuple[Graph, dict[str, str]]:
        crystal = self._read(structure)
        return crystal_to_graph(crystal), describe(crystal)

    def drawing(self, structure: str) -> dict[str, Any]:
        crystal = self._read(structure)
        target, source, _, image = nearest_neighbours(crystal)
        return {
            "symbols": [element_symbol(number) for number in crystal.numbers],
            "positions": (crystal.fractional % 1.0 @ crystal.lattice).round(4).tolist(),
            "edges": [
                (int(s), int(t), np.asarray(i).astype(int).tolist())
                for s, t, i in zip(source, target, image, strict=True)
            ],
            "cell": crystal.lattice.round(4).tolist(),
        }

    def _read(self, structure: str) -> Crystal:
        crystal = read_crystal(structure)
        if self._max_sites and len(crystal.numbers) > self._max_sites:
            raise Unreadable(f"more than {self._max_sites} sites", len(crystal.numbers))
        return crystal
