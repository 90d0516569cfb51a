"""Enumerate small molecules of H, C, N, O and F by growing them atom by atom; no list is copied from anywhere."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, combinations

from rdkit import Chem

from curvature_mtl.errors import UserError

HEAVY_ATOMS = ("C", "N", "O", "F")
SMALLEST, LARGEST = 2, 7
RING_SIZES = range(3, 7)

# Each level grows from at least so many molecules, however few are asked for: one parent alone may be a dead end.
SMALLEST_POOL = 500

# Minima of the gas phase are kept even where water or a catalyst would end them: hydrates, enols, hemiaminals.
UNSTABLE_MOTIFS = {
    "[#8,F]~[#8,F]": "peroxides, oxygen fluorides, and O2, whose ground state is a triplet",
    "[#7]-F": "nitrogen-fluorine bonds: explosive",
    "[#7,#8]~[#7,#8]~[#7,#8]": "three heteroatoms in a row: about to lose N2 or an oxide of nitrogen",
    "[#7,#8;r3,r4]~[#7,#8;r3,r4]": "neighbouring heteroatoms in a small ring: strain on a weak bond",
    "[N,O;!H0]-[CX4]-F": "alpha-fluoro amines and alcohols: lose HF",
    "[#7,#8]-[CX4](-[#7,#8,F])-[#7,#8,F]": "three heteroatoms at a saturated carbon: lose one of them",
    "[C,N]=C=[C,N]": "allenes and their kin: MMFF94 has no torsion across the linear middle, so any twist may come out",
    "O=C=C=*": "cumulenes with two middles: polymerise",
    "[R]#[R]": "triple bonds in small rings: too strained",
    "[C,N]1=[C,N][N,O]1": "oxirenes, 1H-azirines and their like: antiaromatic",
    "[C,N]1=[C,N][C,N]=[C,N]1": "cyclobutadienes and their aza kin: antiaromatic",
    "[#7,#8;a;r3,r4]": "hetero rings of three or four that only the counting of electrons calls aromatic",
    "[R2]=,:*": "double bonds at the fusion of small rings: too strained (Bredt's rule)",
    "[R2;r3]": "three-rings fused with another ring: too strained",
    "[x4]": "spiro atoms: two small rings, too strained",
    "[R3]": "atoms of three rings: cages",
}
_UNSTABLE = [Chem.MolFromSmarts(motif) for motif in UNSTABLE_MOTIFS]
_BOND_ORDERS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}

Move = Callable[[], Chem.RWMol]


def enumerate_molecules(count: int, seed: int) -> list[str]:
    """Return `count` distinct neutral closed-shell molecules of 2 to 7 heavy atoms.

    All of the smallest are there; the larger ones, which are too many, are sampled in equal numbers a size.
    The order, by size and then by SMILES, and the choice depend on nothing but the arguments.

    Returns:
        canonical SMILES without stereochemistry.

    Raises:
        UserError: if there are not as many molecules within reach of the growth.
    """
    rng = random.Random(seed)
    chosen: list[str] = []
    parents = list(HEAVY_ATOMS)
    for size in range(SMALLEST, LARGEST + 1):
        levels_left = LARGEST - size + 1
        share = -(-(count - len(chosen)) // levels_left)
        parents = _grow(parents, max(share, SMALLEST_POOL), rng)
        chosen += sorted(rng.sample(parents, min(share, len(parents))))
    if len(chosen) < count:
        raise UserError(f"only {len(chosen)} molecules found, {count} asked for; ask for fewer")
    return chosen


def _grow(parents: list[str], limit: int, rng: random.Random) -> list[str]:
    """Return up to `limit` molecules with one more heavy atom, and up to `limit` more with another ring.

    Attachments and closures to each size of ring have quotas: six-rings, aromatic or not, would be rare without.
    """
    grown = _first_stable(_shuffled(parents, _attachments, rng), limit)
    rings = [
        _first_stable(_shuffled(grown, partial(_closures, ring_size=size), rng), limit // len(RING_SIZES))
        for size in RING_SIZES
    ]
    return list(dict.fromkeys(chain(grown, *rings)))


def _shuffled(parents: list[str], moves: Callable[[Chem.Mol], Iterator[Move]], rng: random.Random) -> list[Move]:
    made = [move for parent in parents for move in moves(_editable(parent))]
    rng.shuffle(made)
    return made


def _first_stable(moves: Iterable[Move], limit: int) -> list[str]:
    """Carry out moves until `limit` distinct stable molecules are found; a dict, for a set has no order."""
    found: dict[str, None] = {}
    for move in moves:
        if len(found) == limit:
            break
        molecule = move()
        Chem.SanitizeMol(molecule)
        if is_stable(molecule):
            found[Chem.MolToSmiles(molecule)] = None
    return list(found)


def is_stable(molecule: Chem.Mol) -> bool:
    """Return whether a sanitized molecule has none of `UNSTABLE_MOTIFS`."""
    return not any(molecule.HasSubstructMatch(motif) for motif in _UNSTABLE)


def _editable(smiles: str) -> Chem.Mol:
    """Parse to Kekule form with implicit hydrogens only, so that any hydrogen may give way to a bond."""
    molecule = Chem.MolFromSmiles(smiles)
    Chem.Kekulize(molecule, clearAromaticFlags=True)
    for atom in molecule.GetAtoms():
        atom.SetNumExplicitHs(0)
        atom.SetNoImplicit(False)
    molecule.UpdatePropertyCache()
    return molecule


def _attachments(molecule: Chem.Mol) -> Iterator[Move]:
    """Yield each way to bind one more heavy atom, with every bond order that the hydrogens on both sides allow."""
    table = Chem.GetPeriodicTable()
    for atom in molecule.GetAtoms():
        for symbol in HEAVY_ATOMS:
            highest = min(atom.GetTotalNumHs(), table.GetDefaultValence(symbol), max(_BOND_ORDERS))
            for order in range(1, highest + 1):
                yield partial(_attach, molecule, atom.GetIdx(), symbol, order)


def _closures(molecule: Chem.Mol, ring_size: int) -> Iterator[Move]:
    """Yield each way to close a ring of `ring_size` with a single bond."""
    distances = Chem.GetDistanceMatrix(molecule)
    free = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetTotalNumHs() > 0]
    for i, j in combinations(free, 2):
        if distances[i, j] + 1 == ring_size:
            yield partial(_close, molecule, i, j)


def _attach(molecule: Chem.Mol, at: int, symbol: str, order: int) -> Chem.RWMol:
    grown = Chem.RWMol(molecule)
    grown.AddBond(at, grown.AddAtom(Chem.Atom(symbol)), _BOND_ORDERS[order])
    return grown


def _close(molecule: Chem.Mol, i: int, j: int) -> Chem.RWMol:
    closed = Chem.RWMol(molecule)
    closed.AddBond(i, j, Chem.BondType.SINGLE)
    return closed
