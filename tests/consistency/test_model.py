"""The model is equivariant, extensive and smooth, its forces are slopes of its energy, and files keep it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from consistency.small_molecules import SMILES, small_store
from curvature_mtl.consistency.batches import MoleculeGraphs, Molecules, centred
from curvature_mtl.consistency.model import ConsistencyModel, ModelSettings, build_model, load_models, save_models
from curvature_mtl.consistency.structure_store import StructureStore

ELEMENTS = [1, 6, 7, 8, 9]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def with_random_weights(model: ConsistencyModel, dtype: torch.dtype) -> ConsistencyModel:
    """Return the model with all weights moved, so that no output is near zero."""
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model.to(dtype)


@pytest.fixture(scope="module", params=[torch.float32, torch.float64], ids=["float32", "float64"])
def problem(request):
    molecules = Molecules(small_store(), ELEMENTS, request.param)
    return molecules, with_random_weights(build_model(molecules, ModelSettings(16, 2), 0), request.param)


def outputs(model: ConsistencyModel, graphs: MoleculeGraphs, positions: torch.Tensor):
    energy, forces = model.energy_and_forces(graphs, positions)
    levels = torch.linspace(0.0125, 1.0, len(graphs), dtype=positions.dtype)
    return energy, forces, model.denoise(graphs, positions, levels).detach()


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), is_reflected=st.booleans())
def test_rotations_and_reflections_turn_forces_and_structures_and_leave_energies(problem, seed, is_reflected):
    molecules, model = problem
    positions = molecules.perturbed[0].positions
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix() * (-1 if is_reflected else 1)
    matrix = torch.from_numpy(turn).to(positions)
    energy, forces, structures = outputs(model, molecules.graphs, positions)
    turned = outputs(model, molecules.graphs, positions @ matrix.T)
    tolerance = TOLERANCE[positions.dtype]
    assert relative_error(turned[0], energy) < tolerance
    assert relative_error(turned[1], forces @ matrix.T) < tolerance
    assert relative_error(turned[2], structures @ matrix.T) < tolerance


def test_translations_change_nothing_but_rounding(problem):
    molecules, model = problem
    positions, real = molecules.perturbed[0].positions, molecules.graphs.real
    moved = (positions + torch.tensor([0.5, -1.0, 0.25])) * real[..., None]
    expected = outputs(model, molecules.graphs, positions)
    for before, after in zip(expected, outputs(model, molecules.graphs, moved), strict=True):
        assert relative_error(after, before) < TOLERANCE[positions.dtype]


def test_exchanged_atoms_exchange_their_outputs(problem):
    molecules, model = problem
    g, positions = molecules.graphs, molecules.perturbed[0].positions
    order = torch.randperm(positions.shape[1], generator=torch.Generator().manual_seed(0))
    exchanged = MoleculeGraphs(
        g.elements[:, order], g.real[:, order], g.pairs[:, order][:, :, order], g.terms[:, order][:, :, order]
    )
    energy, forces, structures = outputs(model, g, positions)
    of_exchanged = outputs(model, exchanged, positions[:, order])
    tolerance = TOLERANCE[positions.dtype]
    assert relative_error(of_exchanged[0], energy) < tolerance
    assert relative_error(of_exchanged[1], forces[:, order]) < tolerance
    assert relative_error(of_exchanged[2], structures[:, order]) < tolerance


def test_padding_changes_nothing(problem):
    molecules, model = problem
    positions = molecules.perturbed[0].positions
    energy, forces, structures = outputs(model, molecules.graphs, positions)
    levels = torch.linspace(0.0125, 1.0, len(molecules), dtype=positions.dtype)
    for i in range(len(molecules)):
        own = molecules.graphs.select(torch.tensor([i]))
        n = own.real.shape[1]
        alone, forces_alone = model.energy_and_forces(own, positions[i : i + 1, :n])
        assert relative_error(alone, energy[i]) < TOLERANCE[positions.dtype]
        assert relative_error(forces_alone[0], forces[i, :n]) < 10 * TOLERANCE[positions.dtype]
        denoised = model.denoise(own, positions[i : i + 1, :n], levels[i : i + 1]).detach()
        assert relative_error(denoised[0], structures[i, :n]) < TOLERANCE[positions.dtype]
    assert not forces[~molecules.graphs.real].any()
    assert not structures[~molecules.graphs.real].any()


def test_forces_are_the_slopes_of_the_energy():
    molecules = Molecules(small_store(), ELEMENTS, torch.float64)
    model = with_random_weights(build_model(molecules, ModelSettings(16, 2), 0), torch.float64)
    positions = molecules.perturbed[0].positions
    _, forces = model.energy_and_forces(molecules.graphs, positions)
    step = 1e-5
    direction = torch.randn(positions.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction *= molecules.graphs.real[..., None]
    ahead = model.relative_energy(molecules.graphs, positions + step * direction)
    behind = model.relative_energy(molecules.graphs, positions - step * direction)
    expected = -(forces * direction).sum((1, 2))
    torch.testing.assert_close((ahead - behind).detach() / (2 * step), expected, rtol=1e-6, atol=1e-6)


def test_two_distant_molecules_have_the_sum_of_their_energies():
    store = small_store(["CO", "NC=O", "C1CO1"], held_out=1)
    first, second = store.molecule(0), store.molecule(1)
    n = len(first.numbers)
    both = {
        "numbers": np.concatenate([first.numbers, second.numbers]),
        "bonds": np.concatenate([first.bonds, second.bonds + n], axis=1),
        "bond_orders": np.concatenate([first.bond_orders, second.bond_orders]),
        "cheap_positions": np.concatenate([first.cheap_positions, second.cheap_positions + 20]),
        "cheap_forces": np.concatenate([first.cheap_forces, second.cheap_forces]),
        "perturbed_positions": np.concatenate([first.perturbed_positions, second.perturbed_positions], axis=1),
        "perturbed_forces": np.concatenate([first.perturbed_forces, second.perturbed_forces], axis=1),
        "equilibrium_positions": np.concatenate([first.equilibrium_positions, second.equilibrium_positions]),
    }
    pair = type(first)(**{**vars(first), **both})
    molecules = Molecules(StructureStore.from_molecules([first, second, pair], {}), ELEMENTS, torch.float64)
    model = with_random_weights(build_model(molecules, ModelSettings(16, 2), 0), torch.float64)
    model.references.energies = torch.randn(model.references.energies.shape, dtype=torch.float64)
    one, other, together = model.energy(molecules.graphs, molecules.cheap.positions).tolist()
    assert together == pytest.approx(one + other, rel=1e-9)


def test_the_noise_changes_the_decoder_and_none_is_left_where_there_was_none(problem):
    molecules, model = problem
    positions = molecules.perturbed[0].positions
    without = torch.zeros(len(molecules), dtype=positions.dtype)
    unchanged = model.denoise(molecules.graphs, positions, without).detach()
    torch.testing.assert_close(unchanged, centred(positions, molecules.graphs.real))
    assert not torch.allclose(model.denoise(molecules.graphs, positions, without + 0.5), unchanged)


def test_references_recover_energies_that_are_sums_over_atoms_and_bonds():
    store = small_store()
    counts = [{z: int((store.molecule(i).numbers == z).sum()) for z in ELEMENTS} for i in range(len(store))]
    energies = np.array([sum(-10.0 * z * k for z, k in of_molecule.items()) for of_molecule in counts])
    molecules = Molecules(store, ELEMENTS, torch.float64)
    model = ConsistencyModel(ELEMENTS, ModelSettings(8, 1))
    model.references.fit(molecules.graphs, torch.from_numpy(energies))
    np.testing.assert_allclose(model.references(molecules.graphs).numpy(), energies, rtol=1e-5)


def test_an_element_that_the_model_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"atomic numbers \[9\]"):
        Molecules(small_store(), [1, 6, 7, 8])


def test_a_perturbed_geometry_without_label_is_replaced_by_the_cheap_minimum():
    store = small_store()
    store.perturbed_energy[1, 2] = np.nan
    start, end = store.atom_offsets[2:4]
    store.perturbed_forces[1, start:end] = np.nan
    molecules = Molecules(store, ELEMENTS)
    assert torch.equal(molecules.perturbed[1].positions[2], molecules.cheap.positions[2])
    assert torch.equal(molecules.perturbed[1].forces[2], molecules.cheap.forces[2])
    assert not torch.equal(molecules.perturbed[0].positions[2], molecules.cheap.positions[2])


def test_a_file_keeps_the_models(tmp_path):
    molecules = Molecules(small_store(), ELEMENTS)
    models = {name: build_model(molecules, ModelSettings(8, 1), seed) for seed, name in enumerate(["a", "b"])}
    save_models(tmp_path / "models.safetensors", models, {"labels": "forces"})
    loaded, described = load_models(tmp_path / "models.safetensors")
    assert described == {"labels": "forces"}
    for name, model in models.items():
        before = model.energy(molecules.graphs, molecules.cheap.positions)
        assert torch.equal(loaded[name].energy(molecules.graphs, molecules.cheap.positions), before)


def test_all_molecules_are_there():
    assert len(Molecules(small_store(), ELEMENTS)) == len(SMILES)
