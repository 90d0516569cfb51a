"""Whether a geometry still has the bonds of its molecular graph."""

import numpy as np
from rdkit import Chem

# In sums of the two atoms' covalent radii. Over 1,450 MMFF94 minima and 100 relaxed structures of QM8's molecules,
# bonds reach 1.15 but for three strained or broken ones (1.32 to 1.37), and other atoms come as near as 1.20.
LONGEST_BOND, SHORTEST_CONTACT = 1.3, 1.15
COLLAPSED = 0.5


def changed_bonding(numbers: np.ndarray, positions: np.ndarray, bonds: np.ndarray) -> str:
    """Return how the distances contradict the bonds of the molecular graph; empty if they do not.

    Args:
        numbers: [atoms] atomic numbers.
        positions: [atoms, 3] in angstrom.
        bonds: [2, bonds] numbers of the atoms that should be bonded.
    """
    table = Chem.GetPeriodicTable()
    radii = np.array([table.GetRcovalent(int(number)) for number in numbers])
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1) / (radii[:, None] + radii)
    np.fill_diagonal(distances, np.inf)
    if distances.min(initial=np.inf) < COLLAPSED:
        return "atoms collapsed"
    if (distances[tuple(bonds)] > LONGEST_BOND).any():
        return "a bond broke"
    distances[tuple(bonds)] = distances[tuple(bonds[::-1])] = np.inf
    return "a bond formed" if distances.min(initial=np.inf) < SHORTEST_CONTACT else ""
