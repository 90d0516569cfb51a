"""How good energies and predicted structures of held-out molecules are, against the accurate equilibrium structures."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from curvature_mtl.consistency.alignment import deviation, equivalent_orders, superposed
from curvature_mtl.consistency.batches import Geometries, MoleculeGraphs, Molecules
from curvature_mtl.consistency.generate import ddim, denoise_in_passes, relax
from curvature_mtl.consistency.label import energy_and_forces
from curvature_mtl.consistency.model import ConsistencyModel
from curvature_mtl.consistency.structure_store import MoleculeStructures, StructureStore
from curvature_mtl.datasets.sample_molecules import Unlabelled

# Numbers of denoising passes that are tried.
PASSES = (1, 3, 10, 30)
# One-shot denoising is one pass.
ONE_SHOT = "one_shot"
RELAXED, DDIM = "relaxed", "ddim"
N_SAMPLES = 3
EXAMPLE_QUANTILES = (0.25, 0.5, 0.75)
# Molecules that a model sees at a time.
AT_ONCE = 64


@dataclass(frozen=True)
class HeldOut:
    """The molecules of a subset, with all that predictions are compared with.

    Attributes:
        store: those molecules alone.
        graphs, cheap, equilibrium: the same, padded.
    """

    store: StructureStore
    graphs: MoleculeGraphs
    cheap: Geometries
    equilibrium: Geometries

    @classmethod
    def of(cls, store: StructureStore, subset: str, elements: list[int]) -> "HeldOut":
        """Take the molecules of a subset that have an equilibrium structure."""
        own = store.of_subset(subset)
        molecules = Molecules(own, elements)
        return cls(own, molecules.graphs, molecules.cheap, molecules.equilibrium)

    def parts(self) -> Iterator[Tensor]:
        """Yield indices of some molecules at a time, those of like size together."""
        return iter(self.graphs.n_atoms.argsort(stable=True).split(AT_ONCE))


def generation_of(passes: int) -> str:
    """Return the name of so many passes of denoising."""
    return ONE_SHOT if passes == 1 else f"passes_{passes}"


def sampled_structures(model: ConsistencyModel, held_out: HeldOut, seed: int) -> dict[tuple[str, int], Tensor]:
    """Return structures [molecules, n, 3] by generation and sample; the noise is that of the seed, for every model."""
    found: dict[tuple[str, int], Tensor] = {}
    for sample in range(N_SAMPLES):
        generator = torch.Generator().manual_seed(1_000_003 * seed + sample)
        for part in held_out.parts():
            graphs = held_out.graphs.select(part)
            n = graphs.real.shape[1]
            cheap = held_out.cheap.positions[part, :n]
            structures = denoise_in_passes(model, graphs, cheap, list(PASSES), generator)
            generated = {generation_of(passes): positions for passes, positions in structures.items()}
            generated[DDIM] = ddim(model, graphs, generator)
            for name, positions in generated.items():
                all_of_it = found.setdefault((name, sample), torch.zeros_like(held_out.cheap.positions))
                all_of_it[part, :n] = positions
    return found


def relaxed_structures(model: ConsistencyModel, held_out: HeldOut) -> Tensor:
    """Return the minima of the learned energy next to the cheap structures [molecules, n, 3]."""
    found = torch.zeros_like(held_out.cheap.positions)
    for part in held_out.parts():
        graphs = held_out.graphs.select(part)
        n = graphs.real.shape[1]
        found[part, :n] = relax(model, graphs, held_out.cheap.positions[part, :n])
    return found


def structure_errors(held_out: HeldOut, structures: Tensor, processes: Executor) -> pd.DataFrame:
    """Compare structures [molecules, n, 3] with the equilibrium structures.

    Returns:
        one row a molecule: molecule (number in the subset), rmsd, rmsd_heavy [angstrom], is_mirrored, energy_gap: the
        true energy above that of the equilibrium structure [eV], NaN where the self-consistent field does not converge.
        All are NaN where the structure has no finite place.
    """
    pairs = [
        (held_out.store.molecule(i), structures[i].double().numpy()[: int(held_out.graphs.n_atoms[i])])
        for i in range(len(held_out.store))
    ]
    rows = processes.map(_structure_error, pairs, chunksize=16)
    return pd.DataFrame({"molecule": i, **row} for i, row in enumerate(rows))


def _structure_error(pair: tuple[MoleculeStructures, np.ndarray]) -> dict[str, float]:
    molecule, structure = pair
    if not np.isfinite(structure).all():
        return dict.fromkeys(["rmsd", "rmsd_heavy", "is_mirrored", "energy_gap"], np.nan)
    orders = equivalent_orders(molecule.numbers, molecule.bonds, molecule.bond_orders)
    found = deviation(structure, molecule.equilibrium_positions, molecule.numbers, orders)
    try:
        gap = energy_and_forces(molecule.numbers, structure)[0] - molecule.equilibrium_energy
    except Unlabelled:
        gap = np.nan
    return {
        "rmsd": found.all_atoms,
        "rmsd_heavy": found.heavy_atoms,
        "is_mirrored": float(found.is_mirrored),
        "energy_gap": gap,
    }


def energy_errors(model: ConsistencyModel, held_out: HeldOut) -> pd.DataFrame:
    """Compare learned energies and forces with the accurate ones.

    Returns:
        one row a molecule: molecule, predicted and accurate energy [eV] at the cheap structure and at equilibrium, and
        force_mae, the mean absolute error of the forces' components at the cheap structure [eV/angstrom].
    """
    cheap, equilibrium = held_out.cheap, held_out.equilibrium
    columns: dict[str, np.ndarray] = {
        "molecule": np.arange(len(held_out.store)),
        "n_atoms": held_out.graphs.n_atoms.numpy(),
    }
    predict = partial(_energies, model, held_out)
    columns["predicted_cheap"], forces = predict(cheap.positions)
    columns["predicted_equilibrium"], _ = predict(equilibrium.positions)
    columns["accurate_cheap"] = held_out.store.cheap_energy
    columns["accurate_equilibrium"] = held_out.store.equilibrium_energy
    errors = (forces - cheap.forces).abs().sum((1, 2)) / (3 * held_out.graphs.n_atoms)
    columns["force_mae"] = errors.double().numpy()
    return pd.DataFrame(columns)


def _energies(model: ConsistencyModel, held_out: HeldOut, positions: Tensor) -> tuple[np.ndarray, Tensor]:
    """Return energies [molecules] in eV and forces [molecules, n, 3]."""
    energies, forces = np.zeros(len(positions)), torch.zeros_like(positions)
    for part in held_out.parts():
        graphs = held_out.graphs.select(part)
        n = graphs.real.shape[1]
        relative, forces[part, :n] = model.energy_and_forces(graphs, positions[part, :n])
        energies[part.numpy()] = (model.references(graphs) + relative.double()).numpy()
    return energies, forces


def example_structures(held_out: HeldOut, structures: dict[str, Tensor]) -> pd.DataFrame:
    """Return a few molecules to be drawn: those at the quartiles of the cheap structure's energy above equilibrium.

    Args:
        held_out: the molecules.
        structures: [molecules, n, 3] by name.

    Returns:
        one row an atom: example, structure (`equilibrium` or a name), atom, number, x, y, z [angstrom], each structure
        where it is nearest to the equilibrium, and bonded_to, the atoms of higher number that it is bonded to.
    """
    gaps = held_out.store.cheap_energy - held_out.store.equilibrium_energy
    order = np.argsort(gaps, kind="stable")
    rows = []
    for example, share in enumerate(EXAMPLE_QUANTILES):
        i = int(order[round(share * (len(order) - 1))])
        molecule = held_out.store.molecule(i)
        shown = {"equilibrium": molecule.equilibrium_positions}
        shown |= {name: s[i, : len(molecule.numbers)].double().numpy() for name, s in structures.items()}
        low, high = molecule.bonds.min(0), molecule.bonds.max(0)
        for name, positions in shown.items():
            placed = superposed(positions, molecule.equilibrium_positions)
            for atom, (number, place) in enumerate(zip(molecule.numbers.tolist(), placed, strict=True)):
                bonded = high[low == atom].tolist()
                rows.append((example, name, atom, number, *place.tolist(), bonded))
    return pd.DataFrame(rows, columns=["example", "structure", "atom", "number", "x", "y", "z", "bonded_to"])
