"""The structure store: cheap, perturbed and accurate geometries of many molecules in one safetensors file."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from curvature_mtl.errors import UserError
from curvature_mtl.tensor_files import read_tensors, write_tensors

FORM = "curvature-mtl-structures/1"
SUBSETS = ("train", "validation", "test")  # `subset` holds their numbers


@dataclass(frozen=True)
class MoleculeStructures:
    """One molecule: angstrom, eV, eV/angstrom; P perturbed geometries.

    What does not exist is NaN: the equilibrium of a training molecule, the labels of a perturbed geometry whose
    self-consistent field did not converge.
    """

    numbers: np.ndarray  # [atoms] int64, atomic numbers, all hydrogens explicit
    bonds: np.ndarray  # [2, bonds] int64, numbers of atoms within the molecule, each bond once
    bond_orders: np.ndarray  # [bonds] float64: 1, 1.5 (aromatic), 2, 3
    cheap_positions: np.ndarray  # [atoms, 3]
    cheap_energy: float
    cheap_forces: np.ndarray  # [atoms, 3]
    perturbed_positions: np.ndarray  # [P, atoms, 3]
    perturbed_energy: np.ndarray  # [P]
    perturbed_forces: np.ndarray  # [P, atoms, 3]
    equilibrium_positions: np.ndarray  # [atoms, 3]
    equilibrium_energy: float
    equilibrium_max_force: float
    subset: int


@dataclass(frozen=True)
class StructureStore:
    """Molecule i has the atoms `atom_offsets[i]:atom_offsets[i+1]`, and its bonds likewise.

    Arrays of the molecules are concatenated, see `MoleculeStructures`; bonds hold numbers of atoms in the store.
    `described` says how the structures were made.
    """

    numbers: np.ndarray  # [atoms] int64
    atom_offsets: np.ndarray  # [molecules + 1] int64
    bonds: np.ndarray  # [2, bonds] int64
    bond_orders: np.ndarray  # [bonds] float64
    bond_offsets: np.ndarray  # [molecules + 1] int64
    cheap_positions: np.ndarray  # [atoms, 3] float64
    cheap_energy: np.ndarray  # [molecules] float64
    cheap_forces: np.ndarray  # [atoms, 3] float64
    perturbed_positions: np.ndarray  # [P, atoms, 3] float64
    perturbed_energy: np.ndarray  # [P, molecules] float64
    perturbed_forces: np.ndarray  # [P, atoms, 3] float64
    equilibrium_positions: np.ndarray  # [atoms, 3] float64
    equilibrium_energy: np.ndarray  # [molecules] float64
    equilibrium_max_force: np.ndarray  # [molecules] float64
    subset: np.ndarray  # [molecules] int64
    described: dict[str, Any]

    def __post_init__(self) -> None:
        """Check shapes, types and offsets.

        Raises:
            ValueError: naming the array.
        """
        molecules, atoms, bonds = len(self.subset), len(self.numbers), len(self.bond_orders)
        perturbed = len(self.perturbed_energy)
        shapes = {
            "numbers": (atoms,),
            "atom_offsets": (molecules + 1,),
            "bonds": (2, bonds),
            "bond_orders": (bonds,),
            "bond_offsets": (molecules + 1,),
            "cheap_positions": (atoms, 3),
            "cheap_energy": (molecules,),
            "cheap_forces": (atoms, 3),
            "perturbed_positions": (perturbed, atoms, 3),
            "perturbed_energy": (perturbed, molecules),
            "perturbed_forces": (perturbed, atoms, 3),
            "equilibrium_positions": (atoms, 3),
            "equilibrium_energy": (molecules,),
            "equilibrium_max_force": (molecules,),
            "subset": (molecules,),
        }
        whole = {"numbers", "atom_offsets", "bonds", "bond_offsets", "subset"}
        for name, shape in shapes.items():
            array, dtype = getattr(self, name), np.int64 if name in whole else np.float64
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} is {array.shape} {array.dtype}, expected {shape} {np.dtype(dtype)}")
        _check_offsets("atom_offsets", self.atom_offsets, atoms)
        _check_offsets("bond_offsets", self.bond_offsets, bonds)
        own = np.repeat(np.arange(molecules), np.diff(self.bond_offsets))
        if ((self.bonds < self.atom_offsets[own]) | (self.bonds >= self.atom_offsets[own + 1])).any():
            raise ValueError("bonds leave their molecule")
        if not np.isin(self.subset, range(len(SUBSETS))).all():
            raise ValueError(f"subset is not among 0 to {len(SUBSETS) - 1}")

    def __len__(self) -> int:
        return len(self.subset)

    def molecule(self, i: int) -> MoleculeStructures:
        """Return molecule `i` alone."""
        atoms = slice(self.atom_offsets[i], self.atom_offsets[i + 1])
        bonds = slice(self.bond_offsets[i], self.bond_offsets[i + 1])
        return MoleculeStructures(
            numbers=self.numbers[atoms],
            bonds=self.bonds[:, bonds] - self.atom_offsets[i],
            bond_orders=self.bond_orders[bonds],
            cheap_positions=self.cheap_positions[atoms],
            cheap_energy=float(self.cheap_energy[i]),
            cheap_forces=self.cheap_forces[atoms],
            perturbed_positions=self.perturbed_positions[:, atoms],
            perturbed_energy=self.perturbed_energy[:, i],
            perturbed_forces=self.perturbed_forces[:, atoms],
            equilibrium_positions=self.equilibrium_positions[atoms],
            equilibrium_energy=float(self.equilibrium_energy[i]),
            equilibrium_max_force=float(self.equilibrium_max_force[i]),
            subset=int(self.subset[i]),
        )

    def of_subset(self, name: str) -> "StructureStore":
        """Return the molecules of one of `SUBSETS`, in the same order.

        Raises:
            ValueError: if there are none.
        """
        chosen = np.flatnonzero(self.subset == SUBSETS.index(name))
        return StructureStore.from_molecules([self.molecule(int(i)) for i in chosen], self.described)

    @classmethod
    def from_molecules(cls, molecules: Sequence[MoleculeStructures], described: dict[str, Any]) -> "StructureStore":
        """Concatenate molecules that have equally many perturbed geometries.

        Raises:
            ValueError: if there are none, or an array does not fit.
        """
        if not molecules:
            raise ValueError("a structure store needs at least one molecule")
        atom_offsets = _offsets([len(m.numbers) for m in molecules])
        bonds = [m.bonds + start for m, start in zip(molecules, atom_offsets[:-1], strict=True)]
        return cls(
            numbers=np.concatenate([m.numbers for m in molecules]),
            atom_offsets=atom_offsets,
            bonds=np.concatenate(bonds, axis=1),
            bond_orders=np.concatenate([m.bond_orders for m in molecules]),
            bond_offsets=_offsets([len(m.bond_orders) for m in molecules]),
            cheap_positions=np.concatenate([m.cheap_positions for m in molecules]),
            cheap_energy=np.array([m.cheap_energy for m in molecules]),
            cheap_forces=np.concatenate([m.cheap_forces for m in molecules]),
            perturbed_positions=np.concatenate([m.perturbed_positions for m in molecules], axis=1),
            perturbed_energy=np.stack([m.perturbed_energy for m in molecules], axis=1),
            perturbed_forces=np.concatenate([m.perturbed_forces for m in molecules], axis=1),
            equilibrium_positions=np.concatenate([m.equilibrium_positions for m in molecules]),
            equilibrium_energy=np.array([m.equilibrium_energy for m in molecules]),
            equilibrium_max_force=np.array([m.equilibrium_max_force for m in molecules]),
            subset=np.array([m.subset for m in molecules]),
            described=described,
        )

    def save(self, path: Path) -> None:
        """Write the store as safetensors; `described` stands as JSON in the file's metadata."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "described"}
        write_tensors(path, arrays, FORM, self.described)

    @classmethod
    def load(cls, path: Path) -> "StructureStore":
        """Read a store.

        Raises:
            UserError: if the file is not a whole structure store of this form.
        """
        arrays, described = read_tensors(path, FORM)
        try:
            return cls(**arrays, described=described)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise UserError(f"{path}: {error}; delete it and run again") from error


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _check_offsets(name: str, offsets: np.ndarray, end: int) -> None:
    if offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets) < 0).any():
        raise ValueError(f"{name} do not rise from 0 to {end}")
