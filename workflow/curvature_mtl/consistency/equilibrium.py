"""Accurate structures: the minimum of GFN2-xTB's energy into whose basin a cheap structure falls."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed
from ase.optimize import BFGS
from tblite.ase import TBLite

from curvature_mtl.consistency.bonding import changed_bonding
from curvature_mtl.consistency.label import METHOD, SCF_ACCURACY, energy_and_forces
from curvature_mtl.datasets.sample_molecules import Unlabelled

# At 0.01 eV/angstrom the atoms of QM8's molecules would be 0.04 angstrom off in the mean, and rotors up to 1 angstrom.
MAX_FORCE = 0.002  # eV/angstrom, on any atom
MAX_STEPS = 1000
POSITION_DECIMALS = 6
# Of 492 relaxations of QM8's molecules 9 first ended on a saddle point, up to 0.36 eV above the minimum; rounding makes
# a curvature of 0 come out as low as -0.02.
LEAST_CURVATURE = -0.03  # eV/angstrom^2
DIFFERENCE_STEP = 0.01  # angstrom
STEP_OFF_A_SADDLE = 0.1  # angstrom, all atoms together
MAX_SADDLES = 3


@dataclass(frozen=True)
class Equilibrium:
    """A minimum: positions [atoms, 3] in angstrom, energy in eV, the largest force on an atom in eV/angstrom."""

    positions: np.ndarray
    energy: float
    max_force: float


def relax(numbers: np.ndarray, positions: np.ndarray, bonds: np.ndarray) -> Equilibrium:
    """Follow GFN2-xTB's energy downhill to a minimum.

    No atom bears more than `MAX_FORCE` there, and the energy does not curve downwards by more than `LEAST_CURVATURE`.

    Args:
        numbers: [atoms] atomic numbers of a neutral closed-shell molecule.
        positions: [atoms, 3] in angstrom, where to start.
        bonds: [2, bonds] numbers of the atoms that are bonded and must stay so.

    Raises:
        Unlabelled: with the reason, if a calculation fails, it does not converge, or the bonding changes.
    """
    for _ in range(MAX_SADDLES):
        stationary = _descend(numbers, positions)
        if change := changed_bonding(numbers, stationary.positions, bonds):
            raise Unlabelled(change)
        curvature, direction = _softest_mode(numbers, stationary.positions)
        if curvature > LEAST_CURVATURE:
            return stationary
        positions = stationary.positions + STEP_OFF_A_SADDLE * direction
    raise Unlabelled(f"relaxed to {MAX_SADDLES} saddle points and no minimum")


def _descend(numbers: np.ndarray, positions: np.ndarray) -> Equilibrium:
    """Return the stationary point to which BFGS (ASE) goes."""
    molecule = Atoms(numbers=numbers, positions=positions)
    molecule.calc = TBLite(method=METHOD, accuracy=SCF_ACCURACY, verbosity=0)
    try:
        # A little below the limit, for the labels below are made and rounded afresh.
        converged = BFGS(molecule, logfile=None).run(fmax=0.9 * MAX_FORCE, steps=MAX_STEPS)
    except CalculationFailed as error:
        raise Unlabelled(f"{METHOD} failed along the relaxation: {error}") from error
    relaxed = molecule.get_positions().round(POSITION_DECIMALS)
    energy, forces = energy_and_forces(numbers, relaxed)
    max_force = float(np.linalg.norm(forces, axis=1).max())
    if not converged or max_force > MAX_FORCE:
        raise Unlabelled(f"not relaxed to {MAX_FORCE} eV/angstrom after {MAX_STEPS} steps")
    return Equilibrium(relaxed, energy, max_force)


def _softest_mode(numbers: np.ndarray, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the least curvature of the energy, eV/angstrom^2, and its direction [atoms, 3] of length 1."""

    def forces(displacement: np.ndarray) -> np.ndarray:
        return energy_and_forces(numbers, positions + displacement)[1].ravel()

    steps = DIFFERENCE_STEP * np.eye(positions.size).reshape(-1, *positions.shape)
    hessian = np.array([forces(-step) - forces(step) for step in steps]) / (2 * DIFFERENCE_STEP)
    curvatures, modes = np.linalg.eigh((hessian + hessian.T) / 2)
    return float(curvatures[0]), modes[:, 0].reshape(positions.shape)
