"""How far structures are from each other: RMSD after the best rotation, reflection and exchange of like atoms."""

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

# Orders of atoms that leave the graph as it is grow fast with equivalent groups; of more, the first are tried.
MOST_ORDERS = 2000
BOND_TYPES = {
    1.0: Chem.BondType.SINGLE,
    1.5: Chem.BondType.AROMATIC,
    2.0: Chem.BondType.DOUBLE,
    3.0: Chem.BondType.TRIPLE,
}


@dataclass(frozen=True)
class Deviation:
    """Root mean square deviations in angstrom, and whether the mirror image was the nearer one.

    Attributes:
        all_atoms: over all atoms.
        heavy_atoms: over all atoms but hydrogen, rotated and ordered for themselves.
        is_mirrored: whether the reflected structure has the smaller `all_atoms`.
    """

    all_atoms: float
    heavy_atoms: float
    is_mirrored: bool


def deviation(structure: np.ndarray, reference: np.ndarray, numbers: np.ndarray, orders: np.ndarray) -> Deviation:
    """Compare a structure with a reference, as it is and reflected.

    The reflected structure counts if it is nearer: a model that knows no handedness cannot tell the two.

    Args:
        structure: [atoms, 3].
        reference: [atoms, 3].
        numbers: atomic numbers [atoms].
        orders: orders of the atoms that leave the graph as it is [orders, atoms].
    """
    heavy = numbers > 1
    if not heavy.any():
        heavy = np.ones_like(heavy)
    mirrored = structure * np.array([-1, 1, 1])
    of_all, of_mirrored = (least_rmsd(s[orders], reference) for s in (structure, mirrored))
    heavy_orders = np.unique(orders[:, heavy], axis=0)
    of_heavy = min(least_rmsd(s[heavy_orders], reference[heavy]) for s in (structure, mirrored))
    return Deviation(min(of_all, of_mirrored), of_heavy, of_mirrored < of_all)


def least_rmsd(structures: np.ndarray, reference: np.ndarray) -> float:
    """Return the smallest RMSD of structures [k, atoms, 3] to a reference [atoms, 3], each after its best rotation.

    Kabsch, Acta Cryst. A 32, 922, 1976: with the singular values s of the covariance, n RMSD^2 = |X|^2 + |Y|^2 -
    2 (s1 + s2 + d s3), where d is the sign of its determinant, so that no reflection is made.
    """
    x = structures - structures.mean(1, keepdims=True)
    y = reference - reference.mean(0)
    covariance = np.einsum("kni,nj->kij", x, y)
    singular = np.linalg.svd(covariance, compute_uv=False)
    signs = np.sign(np.linalg.det(covariance))
    overlap = singular[:, 0] + singular[:, 1] + signs * singular[:, 2]
    squares = (np.square(x).sum((1, 2)) + np.square(y).sum() - 2 * overlap) / len(reference)
    return float(np.sqrt(max(squares.min(), 0.0)))


def superposed(structure: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return a structure [atoms, 3] turned, reflected and moved to where it is nearest to the reference [atoms, 3]."""
    x, y = structure - structure.mean(0), reference - reference.mean(0)
    left, _, right = np.linalg.svd(x.T @ y)
    return x @ left @ right + reference.mean(0)


def equivalent_orders(numbers: np.ndarray, bonds: np.ndarray, bond_orders: np.ndarray) -> np.ndarray:
    """Return orders of the atoms under which the molecular graph stays as it is [orders, atoms], at most `MOST_ORDERS`.

    RDKit's matches of the graph onto itself; the identity is the first.

    Args:
        numbers: atomic numbers [atoms].
        bonds: atoms of each bond [2, bonds].
        bond_orders: [bonds].
    """
    molecule = Chem.RWMol()
    for number in numbers.tolist():
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    for a, b, order in zip(*bonds.tolist(), bond_orders.tolist(), strict=True):
        molecule.AddBond(a, b, BOND_TYPES[order])
    matches = molecule.GetSubstructMatches(molecule, uniquify=False, maxMatches=MOST_ORDERS)
    identity = tuple(range(len(numbers)))
    return np.array([identity, *(match for match in matches if match != identity)])
