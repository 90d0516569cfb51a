"""Molecules of a structure store as padded tensors, so that a mini-batch is index arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from curvature_mtl.consistency.structure_store import StructureStore

# What a pair of atoms is in the molecular graph. Pairs of three bonds' distance are further told from the rest.
BOND_ORDERS = (1.0, 1.5, 2.0, 3.0)
ANGLE, TORSION, FAR = len(BOND_ORDERS), len(BOND_ORDERS) + 1, len(BOND_ORDERS) + 2
PAIR_CLASSES = FAR + 1
# Batches are made of molecules of like size: each window of so many batches is sorted by size before it is cut.
WINDOW = 16


@dataclass(frozen=True)
class MoleculeGraphs:
    """Molecular graphs padded to n atoms: all that is known of a molecule without any geometry.

    Attributes:
        elements: number of each atom's element in the model's list, 0 for padding [molecules, n] int64.
        real: whether there is an atom [molecules, n] bool.
        pairs: class of each pair of atoms, `FAR` for padding [molecules, n, n] int64.
        terms: number of each pair's term in the bonded prior, 0 for none, symmetric [molecules, n, n] int64.
    """

    elements: Tensor
    real: Tensor
    pairs: Tensor
    terms: Tensor

    def __len__(self) -> int:
        return len(self.real)

    @property
    def n_atoms(self) -> Tensor:
        """Atoms of each molecule [molecules]."""
        return self.real.sum(1)

    def select(self, indices: Tensor) -> "MoleculeGraphs":
        """Return some of the molecules, padded no further than their largest."""
        n = int(self.n_atoms[indices].max())
        return MoleculeGraphs(
            self.elements[indices, :n], self.real[indices, :n], self.pairs[indices, :n, :n], self.terms[indices, :n, :n]
        )


@dataclass(frozen=True)
class Geometries:
    """One geometry of each molecule, with its labels.

    Attributes:
        positions: [molecules, n, 3] angstrom, centred, 0 for padding.
        energies: [molecules] eV.
        forces: [molecules, n, 3] eV/angstrom, 0 for padding.
    """

    positions: Tensor
    energies: Tensor
    forces: Tensor

    def select(self, indices: Tensor, n: int) -> "Geometries":
        """Return those of some molecules, padded to n atoms."""
        return Geometries(self.positions[indices, :n], self.energies[indices], self.forces[indices, :n])


class Molecules:
    """All molecules of a store.

    Attributes:
        elements: atomic numbers, ascending: the model's list of elements.
        graphs: of all molecules.
        cheap: minima of the cheap method, with accurate energies and forces.
        perturbed: geometries around them, likewise labelled; the cheap minimum where there is no label.
        equilibrium: accurate minima; NaN where there are none.
        subset: 0 train, 1 validation, 2 test [molecules].
    """

    def __init__(self, store: StructureStore, elements: list[int], dtype: torch.dtype = torch.float32):
        """Pad all molecules.

        Args:
            store: molecules.
            elements: atomic numbers that the model knows.
            dtype: of positions, energies and forces.

        Raises:
            ValueError: if an element is not among `elements`.
        """
        unknown = sorted(set(store.numbers.tolist()) - set(elements))
        if unknown:
            raise ValueError(f"atomic numbers {unknown} are not among the model's elements {elements}")
        self.elements = elements
        self.subset = torch.from_numpy(store.subset)
        self._sizes = np.diff(store.atom_offsets)
        self._dtype = dtype
        self.graphs = _graphs(store, elements)
        self.cheap = self._geometries(store.cheap_positions, store.cheap_energy, store.cheap_forces)
        labelled = ~np.isnan(store.perturbed_energy)
        of_atoms = np.repeat(labelled, self._sizes, axis=1)[..., None]
        self.perturbed = [
            self._geometries(*arrays)
            for arrays in zip(
                np.where(of_atoms, store.perturbed_positions, store.cheap_positions),
                np.where(labelled, store.perturbed_energy, store.cheap_energy),
                np.where(of_atoms, store.perturbed_forces, store.cheap_forces),
                strict=True,
            )
        ]
        nothing = np.full_like(store.equilibrium_positions, np.nan)
        self.equilibrium = self._geometries(store.equilibrium_positions, store.equilibrium_energy, nothing)

    def __len__(self) -> int:
        return len(self.subset)

    def _geometries(self, positions: np.ndarray, energies: np.ndarray, forces: np.ndarray) -> Geometries:
        padded = centred(torch.from_numpy(_padded(positions, self._sizes)), self.graphs.real)
        return Geometries(
            padded.to(self._dtype),
            torch.from_numpy(energies).to(self._dtype),
            torch.from_numpy(_padded(forces, self._sizes)).to(self._dtype),
        )


def batches_by_size(indices: Tensor, sizes: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield mini-batches of the indices in random order, each of molecules of like size.

    Args:
        indices: of molecules [k].
        sizes: of all molecules.
        batch_size: of all batches but one.
        generator: of the order.
    """
    order = indices[torch.randperm(len(indices), generator=generator)]
    batches = []
    for window in order.split(batch_size * WINDOW):
        batches += list(window[sizes[window].argsort(stable=True)].split(batch_size))
    for number in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[number]


def centred(positions: Tensor, real: Tensor) -> Tensor:
    """Return positions [molecules, n, 3] with each molecule's mean at the origin, and 0 for padding."""
    weights = real.to(positions)[..., None]
    mean = (positions * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
    return (positions - mean) * weights


def n_terms(n_elements: int) -> int:
    """Return the number of kinds of terms of the bonded prior, the 0 for none included."""
    unordered = n_elements * (n_elements + 1) // 2
    return 1 + unordered * (len(BOND_ORDERS) + n_elements)


def _graphs(store: StructureStore, elements: list[int]) -> MoleculeGraphs:
    sizes = np.diff(store.atom_offsets)
    m, n = len(sizes), int(sizes.max())
    number = np.searchsorted(elements, store.numbers)
    padded = _padded(number, sizes)
    pairs = np.full((m, n, n), FAR)
    terms = np.zeros((m, n, n), dtype=np.int64)
    for k, (start, end) in enumerate(zip(store.bond_offsets[:-1], store.bond_offsets[1:], strict=True)):
        bonds = store.bonds[:, start:end] - store.atom_offsets[k]
        own_pairs, own_terms = _pairs_of_molecule(padded[k, : sizes[k]], bonds, store.bond_orders[start:end], elements)
        pairs[k, : sizes[k], : sizes[k]], terms[k, : sizes[k], : sizes[k]] = own_pairs, own_terms
    real = np.arange(n) < sizes[:, None]
    return MoleculeGraphs(*map(torch.from_numpy, (padded, real, pairs, terms)))


def _pairs_of_molecule(
    elements: np.ndarray, bonds: np.ndarray, orders: np.ndarray, known: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return class and prior term of each pair of a molecule's atoms, both [n, n]."""
    n, z = len(elements), len(known)
    pairs = np.full((n, n), FAR)
    terms = np.zeros((n, n), dtype=np.int64)
    adjacent = np.zeros((n, n), dtype=bool)
    adjacent[bonds[0], bonds[1]] = adjacent[bonds[1], bonds[0]] = True
    two = adjacent @ adjacent
    pairs[two @ adjacent] = TORSION
    pairs[two] = ANGLE
    low, high = np.minimum(elements[:, None], elements), np.maximum(elements[:, None], elements)
    unordered = high * (high + 1) // 2 + low
    n_unordered = z * (z + 1) // 2
    for centre in range(n - 1, -1, -1):
        ends = np.ix_(adjacent[centre], adjacent[centre])
        terms[ends] = 1 + n_unordered * (len(BOND_ORDERS) + elements[centre]) + unordered[ends]
    for (a, b), order in zip(bonds.T, orders, strict=True):
        pairs[a, b] = pairs[b, a] = BOND_ORDERS.index(order)
        terms[a, b] = terms[b, a] = 1 + n_unordered * BOND_ORDERS.index(order) + unordered[a, b]
    np.fill_diagonal(terms, 0)
    np.fill_diagonal(pairs, FAR)
    return pairs, terms


def _padded(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return values [atoms, ...] as [molecules, n, ...] with zeros after each molecule's atoms."""
    padded = np.zeros((len(sizes), int(sizes.max()), *values.shape[1:]), dtype=values.dtype)
    padded[np.arange(padded.shape[1]) < sizes[:, None]] = values
    return padded
