"""Molecule to graph with RDKit: one node an atom, two directed edges a bond."""

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from curvature_mtl.datasets.raw import Unreadable
from curvature_mtl.graphs.store import Graph

ELEMENTS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I")
FORMAL_CHARGES = (-1, 0, 1)
HYDROGEN_COUNTS = (0, 1, 2, 3, 4)
DEGREES = (0, 1, 2, 3, 4)
HYBRIDIZATIONS = (
    Chem.HybridizationType.S,
    Chem.HybridizationType.SP,
    Chem.HybridizationType.SP2,
    Chem.HybridizationType.SP3,
)
RING_SIZES = (3, 4, 5, 6, 7, 8)
BOND_TYPES = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC)

# Beyond these a molecule takes minutes (its scaffold, with the cube of its size): characters of a SMILES, and atoms.
LONGEST_SMILES = 10_000
MOST_ATOMS = 1000

NODE_FEATURES = (
    *(f"element {e}" for e in ELEMENTS),
    *(f"charge {c:+d}" for c in FORMAL_CHARGES),
    *(f"{h} hydrogens" for h in HYDROGEN_COUNTS),
    *(f"degree {d}" for d in DEGREES),
    *(f"hybridization {h}" for h in HYBRIDIZATIONS),
    *(f"in a ring of {n}" for n in RING_SIZES),
    "aromatic",
)
EDGE_FEATURES = (*(f"bond {b}" for b in BOND_TYPES), "conjugated", "in a ring")


def read_smiles(smiles: str) -> Chem.Mol:
    """Parse and sanitize a SMILES; hydrogens written as atoms become counts on their heavy atom.

    Raises:
        Unreadable: with the reason, if RDKit cannot read it, an element is not supported, or it is too large.
    """
    smiles = smiles.strip()
    if len(smiles) > LONGEST_SMILES:
        raise Unreadable(f"SMILES of more than {LONGEST_SMILES} characters", len(smiles))
    if any(sign.isspace() for sign in smiles):  # RDKit takes what follows for a name
        raise Unreadable("SMILES with a space in it", smiles)
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if smiles.isascii() and smiles else None
    if molecule is None:
        raise Unreadable("SMILES cannot be read by RDKit")
    if molecule.GetNumAtoms() == 0:
        raise Unreadable("SMILES has no atoms")
    if molecule.GetNumAtoms() > MOST_ATOMS:
        raise Unreadable(f"more than {MOST_ATOMS} atoms", molecule.GetNumAtoms())
    unknown = sorted({atom.GetSymbol() for atom in molecule.GetAtoms()} - set(ELEMENTS))
    if unknown:
        raise Unreadable("unknown element", ", ".join(unknown))
    return molecule


def canonical_smiles(molecule: Chem.Mol) -> str:
    """Return RDKit's canonical SMILES: equal for equal molecules."""
    return Chem.MolToSmiles(molecule)


def scaffold_smiles(molecule: Chem.Mol) -> str:
    """Return the Bemis-Murcko scaffold as SMILES; the empty string for an acyclic molecule."""
    return MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)


def molecule_to_graph(molecule: Chem.Mol, explicit_hydrogens: bool = False) -> Graph:
    """Featurize a molecule: node_features [atoms, 37], edge_features [2 x bonds, 6], all 0 or 1.

    Args:
        molecule: a sanitized molecule of `ELEMENTS`.
        explicit_hydrogens: make every hydrogen a node; otherwise heavy atoms carry hydrogen counts.
    """
    if explicit_hydrogens:
        molecule = Chem.AddHs(molecule)
    rings = molecule.GetRingInfo()
    nodes = np.array([_atom_features(atom, rings) for atom in molecule.GetAtoms()], dtype=np.float32)
    bonds = list(molecule.GetBonds())
    ends = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds], dtype=np.int32).reshape(-1, 2)
    features = np.array([_bond_features(b) for b in bonds], dtype=np.float32).reshape(-1, len(EDGE_FEATURES))
    edge_index = np.concatenate([ends, ends[:, ::-1]]).T
    return Graph(nodes, edge_index, np.concatenate([features, features]))


def _atom_features(atom: Chem.Atom, rings: Chem.RingInfo) -> list[int]:
    return [
        *_one_hot(atom.GetSymbol(), ELEMENTS),
        *_one_hot(atom.GetFormalCharge(), FORMAL_CHARGES),
        *_one_hot(atom.GetTotalNumHs(), HYDROGEN_COUNTS),
        *_one_hot(atom.GetDegree(), DEGREES),
        *_one_hot(atom.GetHybridization(), HYBRIDIZATIONS),
        *(int(rings.IsAtomInRingOfSize(atom.GetIdx(), size)) for size in RING_SIZES),
        int(atom.GetIsAromatic()),
    ]


def _bond_features(bond: Chem.Bond) -> list[int]:
    return [*_one_hot(bond.GetBondType(), BOND_TYPES), int(bond.GetIsConjugated()), int(bond.IsInRing())]


def _one_hot(value: object, choices: tuple) -> list[int]:
    """Return one 0 or 1 a choice; all 0 for a value outside them."""
    return [int(value == choice) for choice in choices]
