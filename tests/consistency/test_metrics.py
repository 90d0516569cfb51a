"""Predicted structures are compared with the right ones, whatever the order in which they are made."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from consistency.small_molecules import small_store
from curvature_mtl.consistency import metrics
from curvature_mtl.consistency.batches import Molecules
from curvature_mtl.consistency.generate import DDIM_STEPS, ddim, denoise_in_passes, relax
from curvature_mtl.consistency.label import energy_and_forces
from curvature_mtl.consistency.model import ModelSettings, build_model
from curvature_mtl.consistency.structure_store import StructureStore

ELEMENTS = [1, 6, 7, 8, 9]


def with_true_energies() -> StructureStore:
    """Return the small store with GFN2 energies of what it calls equilibrium structures."""
    store = small_store(held_out=4)
    for i in np.flatnonzero(store.subset > 0):
        molecule = store.molecule(int(i))
        store.equilibrium_energy[i] = energy_and_forces(molecule.numbers, molecule.equilibrium_positions)[0]
    return store


@pytest.fixture(scope="module")
def held_out():
    return metrics.HeldOut.of(with_true_energies(), "test", ELEMENTS)


@pytest.fixture(scope="module")
def model():
    return build_model(Molecules(small_store(), ELEMENTS), ModelSettings(8, 1), 0)


def test_the_equilibrium_structures_themselves_have_no_error(held_out):
    with ThreadPoolExecutor(1) as processes:
        found = metrics.structure_errors(held_out, held_out.equilibrium.positions, processes)
        moved = metrics.structure_errors(held_out, held_out.cheap.positions, processes)
    assert found["rmsd"].max() < 1e-3 and found["rmsd_heavy"].max() < 1e-3
    assert found["energy_gap"].abs().max() < 1e-3
    assert moved["rmsd"].min() > 0.005 and (moved["energy_gap"].abs() > 1e-3).all()


def test_what_has_no_energy_or_place_is_missing_and_stops_nothing(held_out):
    structures = held_out.cheap.positions.clone()
    structures[0] = float("nan")
    structures[1] = 0
    with ThreadPoolExecutor(1) as processes:
        found = metrics.structure_errors(held_out, structures, processes)
    assert found.loc[0, ["rmsd", "energy_gap"]].isna().all()
    assert np.isnan(found.loc[1, "energy_gap"]) and found.loc[1, "rmsd"] > 0.5
    assert found.loc[2:, ["rmsd", "energy_gap"]].notna().all(axis=None)


def test_samples_have_all_generations_and_noise_of_the_seed(held_out, model):
    first, again, other = (metrics.sampled_structures(model, held_out, seed) for seed in (0, 0, 1))
    generations = {metrics.generation_of(passes) for passes in metrics.PASSES} | {metrics.DDIM}
    assert set(first) == {(g, sample) for g in generations for sample in range(metrics.N_SAMPLES)}
    for key, structures in first.items():
        assert torch.equal(structures, again[key]) and not torch.equal(structures, other[key])
        assert not structures[~held_out.graphs.real].any() and structures.isfinite().all()


def test_energies_are_those_of_each_molecule_alone(held_out, model):
    found = metrics.energy_errors(model, held_out)
    for i in range(len(held_out.store)):
        own = held_out.graphs.select(torch.tensor([i]))
        positions = held_out.cheap.positions[i : i + 1, : own.real.shape[1]]
        assert found.loc[i, "predicted_cheap"] == pytest.approx(float(model.energy(own, positions).detach()), rel=1e-6)
    assert found["accurate_cheap"].tolist() == held_out.store.cheap_energy.tolist()


def test_examples_are_placed_on_the_equilibrium_structure(held_out):
    turned = held_out.equilibrium.positions @ torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, -1]])
    table = metrics.example_structures(held_out, {"turned": turned})
    places = {name: own[["x", "y", "z"]].to_numpy() for name, own in table.groupby("structure")}
    np.testing.assert_allclose(places["turned"], places["equilibrium"], atol=1e-4)
    assert table["example"].nunique() == 3


class Perfect:
    """A decoder that knows the clean structures, in the place of a model."""

    def __init__(self, clean):
        self.clean = clean

    def denoise(self, graphs, positions, levels):
        return self.clean

    def parameters(self):
        return iter([self.clean])


def test_a_perfect_decoder_gives_the_clean_structures_by_every_way(held_out):
    clean = held_out.cheap.positions
    generator = torch.Generator().manual_seed(0)
    passes = denoise_in_passes(Perfect(clean), held_out.graphs, clean, [1, 4], generator)
    assert set(passes) == {1, 4} and all(torch.equal(found, clean) for found in passes.values())
    assert DDIM_STEPS > 1 and torch.equal(ddim(Perfect(clean), held_out.graphs, generator), clean)


class Springs:
    """A harmonic energy about known places."""

    def __init__(self, places):
        self.places = places

    def energy_and_forces(self, graphs, positions):
        away = positions - self.places
        return 2 * away.square().sum((1, 2)), -4 * away


def test_relaxation_finds_the_minimum_of_every_molecule(held_out):
    places = held_out.cheap.positions
    start = places + 0.3 * torch.randn(places.shape, generator=torch.Generator().manual_seed(0))
    found = relax(Springs(places), held_out.graphs, start, threshold=1e-3)
    assert (found - places).abs().max() < 1e-3
