"""With the accurate method itself as the energy, consistency pulls structures to its minima."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS

from consistency.small_molecules import small_store
from curvature_mtl.consistency.alignment import deviation, equivalent_orders
from curvature_mtl.consistency.batches import Molecules
from curvature_mtl.consistency.label import energy_and_forces
from curvature_mtl.consistency.losses import denoising_losses, optimality_losses
from curvature_mtl.consistency.model import ModelSettings, build_model
from curvature_mtl.consistency.noise import LEAST, add_noise

ELEMENTS = [1, 6, 7, 8, 9]
RESTRAINT = 0.5


class Gfn2:
    """GFN2-xTB as an energy surface of padded molecules."""

    def energy_and_forces(self, graphs, positions):
        energies, forces = torch.zeros(len(graphs), dtype=torch.float64), torch.zeros_like(positions)
        for i, n in enumerate(graphs.n_atoms.tolist()):
            numbers = np.array(ELEMENTS)[graphs.elements[i, :n].numpy()]
            energies[i], force = energy_and_forces(numbers, positions[i, :n].detach().double().numpy())
            forces[i, :n] = torch.from_numpy(force).to(positions)
        return energies, forces


class OfAse(Calculator):
    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, forces = energy_and_forces(atoms.numbers, atoms.positions)
        self.results = {"energy": energy, "forces": forces}


@pytest.fixture(scope="module")
def problem():
    """Three molecules, and their GFN2 minima by ASE: positions and energies."""
    store = small_store(["CC=O", "NC=O", "CO"], held_out=1)
    minima = []
    for i in range(len(store)):
        atoms = Atoms(store.molecule(i).numbers, store.molecule(i).cheap_positions, calculator=OfAse())
        assert BFGS(atoms, logfile=None).run(fmax=0.005, steps=200)
        minima.append((atoms.positions.copy(), atoms.get_potential_energy()))
    return store, minima


def errors(store, minima, structures):
    """Return GFN2 energies above the minima [eV], and RMSDs to them [angstrom]."""
    gaps, rmsds = [], []
    for i, (positions, energy) in enumerate(minima):
        molecule = store.molecule(i)
        structure = structures[i, : len(positions)].detach().double().numpy()
        gaps.append(energy_and_forces(molecule.numbers, structure)[0] - energy)
        orders = equivalent_orders(molecule.numbers, molecule.bonds, molecule.bond_orders)
        rmsds.append(deviation(structure, positions, molecule.numbers, orders).all_atoms)
    return np.array(gaps), np.array(rmsds)


def test_structures_that_are_free_to_move_go_to_the_accurate_minimum(problem):
    store, minima = problem
    molecules = Molecules(store, ELEMENTS, torch.float64)
    graphs, cheap = molecules.graphs, molecules.cheap.positions
    levels = torch.full((len(molecules),), LEAST, dtype=torch.float64)
    structures = cheap.clone().requires_grad_()
    for _ in range(60):
        loss = denoising_losses(structures, cheap, graphs.real, levels)
        loss = loss + optimality_losses(Gfn2(), graphs, structures, levels, RESTRAINT)
        [slope] = torch.autograd.grad(loss.sum(), [structures])
        # A step of 0.01 angstrom^2/eV down E + k / 2 |D - R|^2.
        per_energy = 3 * RESTRAINT * LEAST**2 / 2 * graphs.n_atoms.view(-1, 1, 1)
        structures = (structures - 0.01 * per_energy * slope).detach().requires_grad_()
    gaps, rmsds = errors(store, minima, structures)
    cheap_gaps, cheap_rmsds = errors(store, minima, cheap)
    assert (gaps < 0.1 * cheap_gaps).all()
    assert (rmsds < 0.5 * cheap_rmsds).all()


@pytest.mark.slow
def test_a_decoder_learns_the_accurate_minimum(problem):
    store, minima = problem
    molecules = Molecules(store, ELEMENTS)
    graphs, cheap = molecules.graphs, molecules.cheap.positions
    levels = torch.full((len(molecules),), 0.02)

    def decoded(with_consistency):
        model = build_model(molecules, ModelSettings(16, 2), 0)
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        generator = torch.Generator().manual_seed(0)
        for step in range(600):
            optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / 600)
            noisy = add_noise(cheap, graphs.real, levels, generator)
            predicted = model.denoise(graphs, noisy.positions, levels)
            loss = denoising_losses(predicted, cheap, graphs.real, levels)
            if with_consistency:
                loss = loss + optimality_losses(Gfn2(), graphs, predicted, levels, RESTRAINT)
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
        noisy = add_noise(cheap, graphs.real, levels, torch.Generator().manual_seed(1))
        return errors(store, minima, model.denoise(graphs, noisy.positions, levels))

    without, with_gfn2 = decoded(False), decoded(True)
    assert with_gfn2[0].mean() < 0.6 * without[0].mean()
    assert with_gfn2[1].mean() < without[1].mean()
