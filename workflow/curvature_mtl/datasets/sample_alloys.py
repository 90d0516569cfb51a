"""Relax and label alloys with effective medium theory: a real multi-task dataset of crystals, made in seconds.

Potential: EMT of Jacobsen, Stoltze and Norskov (Surf. Sci. 366, 394, 1996) as ASE has it, with ASE's default
cutoff. That one is the same for all elements; ASAP's depends on the largest element in the crystal, so energies of
an alloy and of its elements would not belong to one potential.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from ase.data import atomic_numbers, reference_states
from ase.filters import UnitCellFilter
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS
from ase.stress import voigt_6_to_full_3x3_strain
from ase.units import GPa

from curvature_mtl.datasets.enumerate_alloys import ELEMENTS, PRIMITIVE_CELL, Crystal
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.datasets.worker_processes import label_each
from curvature_mtl.finished_parts import FinishedParts

TASK_UNITS: dict[str, str] = {task.name: task.unit for task in SOURCES["sample_alloys"].tasks}

# Elastic tensors are rarer than energies, as in the Materials Project.
ELASTIC_SHARE = 0.7

# Further decimals mean nothing at the tolerance below and the steps of the differences.
DECIMALS = 4
STRUCTURE_DECIMALS = 6

# Relaxed: no force above 1e-5 eV/angstrom, and no stress above 1e-5 eV * sqrt(atoms) / volume. That is below
# 1e-6 eV/angstrom^3 (0.16 MPa) and changes a volume by a few parts in a million.
FORCE_TOLERANCE = 1e-5  # eV/angstrom
RELAXATION_STEPS = 300
CURVATURE = 20.0  # eV/angstrom^2, first guess of BFGS: typical of these metals

# EMT's cutoff function falls from 1 to 0 over 0.4 angstrom, and drops its tail where 7e-6 is left. Steps must be far
# smaller; these move no neighbour by more than 0.0015 angstrom. Steps a fourth as long and a longer tail changed
# log_anisotropy by at most 1e-4 and other labels by less than 3e-5, in a trial with 84 crystals.
STRAIN_STEP = 2e-4
DISPLACEMENT_STEP = 1e-3  # angstrom

NEIGHBOUR_MARGIN = 0.5  # angstrom


class Unlabelled(ValueError):
    """The crystal cannot be labelled; the message is the reason for the column `reject_reason`."""


class Unstable(ValueError):
    """The crystal is no minimum with respect to strains and displacements within its cell."""


def label_alloys(crystals: Sequence[Crystal], seed: int, processes: int, finished: FinishedParts) -> pd.DataFrame:
    """Return one row a crystal, in the given order, whatever the number of processes, and of kills before.

    Args:
        crystals: before relaxation.
        seed: with a crystal's identifier it decides whether the crystal has elastic labels.
        processes: how many crystals are labelled at a time.
        finished: keeps what is labelled until all is; its fingerprint is that of the seed and this code.

    Returns:
        columns `identifier`, `structure` (JSON of the relaxed crystal), the tasks of `TASK_UNITS`, and
        `reject_reason`. The reason is empty for a labelled crystal; structure and labels are NaN for one with a
        reason. Elastic labels are NaN for crystals that `has_elastic_labels` leaves out and for unstable ones.
    """
    rows = label_each(partial(_row, seed=seed), crystals, processes, finished, unit="crystal")
    return pd.DataFrame(rows, columns=["identifier", "structure", *TASK_UNITS, "reject_reason"])


def has_elastic_labels(identifier: str, seed: int) -> bool:
    """Return whether a stable crystal gets elastic labels: true for `ELASTIC_SHARE` of all, at random."""
    digest = hashlib.sha256(f"{seed} {identifier}".encode()).digest()
    return int.from_bytes(digest[:8]) < ELASTIC_SHARE * 2**64


def _row(crystal: Crystal, seed: int) -> dict[str, str | float]:
    try:
        atoms = relax(starting_atoms(crystal))
    except Unlabelled as reason:
        return {"identifier": crystal.identifier, "reject_reason": str(reason)}
    labels = energy_labels(atoms)
    if has_elastic_labels(crystal.identifier, seed):
        with suppress(Unstable):
            labels |= elastic_labels(elastic_tensor(atoms))
    rounded = {task: round(value, DECIMALS) + 0.0 for task, value in labels.items()}  # + 0.0: no negative zero
    return {"identifier": crystal.identifier, "structure": structure_json(atoms), **rounded, "reject_reason": ""}


def starting_atoms(crystal: Crystal) -> Atoms:
    """Return the unrelaxed crystal with the lattice constant of Vegard's law.

    Raises:
        Unlabelled: if EMT has no parameters for an element, or two atoms share a site.
    """
    unknown = sorted(set(crystal.elements) - set(ELEMENTS))
    if unknown:
        raise Unlabelled(f"element {', '.join(unknown)} is not among {', '.join(ELEMENTS)}")
    fractions = np.array(crystal.sites) @ np.linalg.inv(crystal.cell)
    if len(np.unique(np.round(fractions, 6) % 1, axis=0)) < len(fractions):
        raise Unlabelled("two atoms share a site")
    half = np.mean([_lattice_constant(element) for element in crystal.elements]) / 2
    return Atoms(crystal.elements, scaled_positions=fractions, cell=half * np.array(crystal.cell), pbc=True)


@lru_cache
def _element(symbol: str) -> Atoms:
    """Return the relaxed fcc crystal of an element, one atom a cell."""
    half = reference_states[atomic_numbers[symbol]]["a"] / 2
    return relax(Atoms(symbol, cell=half * np.array(PRIMITIVE_CELL), pbc=True))


def _lattice_constant(symbol: str) -> float:
    return (4 * _element(symbol).get_volume()) ** (1 / 3)


def relax(atoms: Atoms) -> Atoms:
    """Relax cell and positions with EMT until no force exceeds `FORCE_TOLERANCE`.

    Symmetry is kept, for forces and stresses have it; a crystal may come to rest on a saddle point.

    Returns:
        the same atoms, with their calculator.

    Raises:
        Unlabelled: if that takes more than `RELAXATION_STEPS` steps.
    """
    atoms.calc = CachedEMT()
    # With this factor, a strain that moves the atoms by some distance counts as much as that distance: the
    # curvatures of the energy along strains and along displacements are alike, and BFGS needs few steps.
    free = UnitCellFilter(atoms, cell_factor=np.sqrt(len(atoms)))
    if not BFGS(free, logfile=None, alpha=CURVATURE).run(fmax=FORCE_TOLERANCE, steps=RELAXATION_STEPS):
        raise Unlabelled(f"EMT relaxation not converged after {RELAXATION_STEPS} steps")
    return atoms


class CachedEMT(EMT):
    """ASE's EMT, less what takes it most time: a search for neighbours after each change, and for what changed."""

    def check_state(self, atoms: Atoms, tol: float = 0) -> list[str]:
        """Return what changed since the last calculation, in ASE's words; other things play no part in EMT."""
        if self.atoms is None or not np.array_equal(self.atoms.numbers, atoms.numbers):
            return list(all_changes)
        moved = not np.array_equal(self.atoms.positions, atoms.positions)
        strained = not np.array_equal(self.atoms.cell.array, atoms.cell.array)
        return ["positions", "cell"] if moved or strained else []

    def initialize(self, atoms: Atoms) -> None:
        super().initialize(atoms)
        self.nl = _Neighbours(self.rc_list)


class _Neighbours:
    """What `EMT` needs of ASE's `NeighborList`: every pair within a cutoff, and maybe farther ones."""

    def __init__(self, cutoff: float) -> None:
        self._cutoff = cutoff
        self._cell, self._fractions = np.zeros((3, 3)), np.zeros((0, 3))
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, atoms: Atoms) -> bool:
        """Find all pairs again if one may have come closer than the cutoff unseen."""
        if self._pairs and self._margin_left(atoms) > 0:
            return False
        self._cell = atoms.cell.array.copy()
        self._fractions = np.linalg.solve(self._cell.T, atoms.positions.T).T
        i, j, shifts = neighbor_list("ijS", atoms, self._cutoff + NEIGHBOUR_MARGIN)
        self._pairs = [(j[i == atom], shifts[i == atom]) for atom in range(len(atoms))]
        return True

    def _margin_left(self, atoms: Atoms) -> float:
        """Return a lower bound, in angstrom, of how far beyond the cutoff pairs outside the list are."""
        strain = np.linalg.norm(np.linalg.solve(self._cell, atoms.cell.array) - np.eye(3))
        moved = np.linalg.norm(atoms.positions - self._fractions @ atoms.cell.array, axis=1).max()
        return float((self._cutoff + NEIGHBOUR_MARGIN) * (1 - strain) - 2 * moved - self._cutoff)

    def get_neighbors(self, atom: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the neighbours' indices [pairs] and the cells they are in [pairs, 3]."""
        return self._pairs[atom]


def energy_labels(atoms: Atoms) -> dict[str, float]:
    """Return formation energy, relative to the relaxed fcc elements, and volume of a relaxed crystal."""
    elements = sum(_element(symbol).get_potential_energy() for symbol in atoms.symbols)
    return {
        "formation_energy": float(atoms.get_potential_energy() - elements) / len(atoms),
        "volume": float(atoms.get_volume()) / len(atoms),
    }


def elastic_tensor(atoms: Atoms) -> np.ndarray:
    """Return the relaxed-ion elastic tensor of a relaxed crystal, [6, 6] in GPa, Voigt's order xx yy zz yz xz xy.

    Central differences of stress and forces under each strain, and under each displacement of all atoms but one,
    give the stress with the atoms clamped, and how far they move at a strain until the forces are zero again
    (Wu, Vanderbilt and Hamann, PRB 72, 035105, 2005). For small strains this is the same as relaxing
    the atoms at each strain, for fewer calculations.

    Raises:
        Unstable: if a displacement or a strain lowers the energy.
    """
    responses = _responses(atoms)
    clamped, coupling = responses[:6, :6], responses[:6, 6:]
    force, force_constants = responses[6:, :6], _symmetric(-responses[6:, 6:])
    _insist_on_minimum(force_constants)
    tensor = _symmetric(clamped + coupling @ np.linalg.solve(force_constants, force)) / GPa
    _insist_on_minimum(tensor)
    return tensor


def _responses(atoms: Atoms) -> np.ndarray:
    """Return central differences of stress and forces, [3 n + 3, 3 n + 3].

    Rows: six stresses in eV/angstrom^3, then forces in eV/angstrom on all atoms but the first. Columns: per strain,
    then per displacement in angstrom of the same atoms.
    """
    steps = np.repeat([STRAIN_STEP, DISPLACEMENT_STEP], [6, 3 * len(atoms) - 3])
    changes = np.diag(steps)
    differences = [_stress_and_forces(atoms, change) - _stress_and_forces(atoms, -change) for change in changes]
    return np.array(differences).T / (2 * steps)


def _stress_and_forces(atoms: Atoms, change: np.ndarray) -> np.ndarray:
    """Return the stress and the forces on all atoms but the first, [3 n + 3], after a strain and displacements."""
    changed = atoms.copy()
    changed.calc = atoms.calc
    changed.positions[1:] += change[6:].reshape(-1, 3)
    changed.set_cell(atoms.cell.array @ voigt_6_to_full_3x3_strain(change[:6]), scale_atoms=True)
    return np.concatenate([changed.get_stress(), changed.get_forces()[1:].ravel()])


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.T) / 2


def _insist_on_minimum(curvatures: np.ndarray) -> None:
    if (np.linalg.eigvalsh(curvatures) <= 0).any():
        raise Unstable("the crystal gives way without resistance")


def elastic_labels(tensor: np.ndarray) -> dict[str, float]:
    """Return the labels of an elastic tensor, [6, 6] in GPa.

    Moduli K and G are the means of Voigt's and Reuss's (Hill, Proc. Phys. Soc. A 65, 349, 1952), the anisotropy is
    5 G_V / G_R + K_V / K_R - 6 (Ranganathan and Ostoja-Starzewski, PRL 101, 055504, 2008).
    """
    stiffness = _invariants(tensor)
    compliance = _invariants(np.linalg.inv(tensor))
    bulk_voigt = (stiffness["axial"] + 2 * stiffness["lateral"]) / 9
    shear_voigt = (stiffness["axial"] - stiffness["lateral"] + 3 * stiffness["shear"]) / 15
    bulk_reuss = 1 / (compliance["axial"] + 2 * compliance["lateral"])
    shear_reuss = 15 / (4 * (compliance["axial"] - compliance["lateral"]) + 3 * compliance["shear"])
    bulk, shear = (bulk_voigt + bulk_reuss) / 2, (shear_voigt + shear_reuss) / 2
    return {
        "log_K": float(np.log10(bulk)),
        "log_G": float(np.log10(shear)),
        "poisson_ratio": float((3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))),
        "log_anisotropy": float(np.log10(5 * shear_voigt / shear_reuss + bulk_voigt / bulk_reuss - 5)),
    }


def _invariants(matrix: np.ndarray) -> dict[str, float]:
    """Return the sums 11 + 22 + 33, 12 + 13 + 23 and 44 + 55 + 66 of a stiffness or compliance in Voigt's order."""
    return {
        "axial": np.trace(matrix[:3, :3]),
        "lateral": matrix[0, 1] + matrix[0, 2] + matrix[1, 2],
        "shear": np.trace(matrix[3:, 3:]),
    }


def structure_json(atoms: Atoms) -> str:
    """Return compact JSON that pymatgen's `Structure.from_dict` reads, with fractional coordinates in [0, 1)."""
    fractions = _rounded(_rounded(atoms.get_scaled_positions()) % 1)
    sites = [
        {"species": [{"element": symbol, "occu": 1}], "abc": abc}
        for symbol, abc in zip(atoms.symbols, fractions.tolist(), strict=True)
    ]
    structure = {"lattice": {"matrix": _rounded(atoms.cell.array).tolist()}, "sites": sites}
    return json.dumps(structure, separators=(",", ":"))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values, STRUCTURE_DECIMALS) + 0.0  # + 0.0: no negative zero
