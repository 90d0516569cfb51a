"""The structure store: molecules come out as they went in, and a file that is not whole is refused."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from curvature_mtl.consistency.structure_store import FORM, MoleculeStructures, StructureStore
from curvature_mtl.errors import UserError
from curvature_mtl.tensor_files import read_tensors, write_tensors

DESCRIBED = {"accurate": "made up", "widths": [0.1, 0.5]}


def molecule(atoms: int, subset: int, rng: np.random.Generator) -> MoleculeStructures:
    """A chain of atoms with made-up numbers and two perturbed geometries; only the test set has an equilibrium."""
    known = np.array(1.0 if subset == 2 else np.nan)
    return MoleculeStructures(
        numbers=rng.integers(1, 10, atoms),
        bonds=np.array([range(atoms - 1), range(1, atoms)]),
        bond_orders=rng.choice([1, 1.5, 2, 3], atoms - 1),
        cheap_positions=rng.normal(size=(atoms, 3)),
        cheap_energy=rng.normal(),
        cheap_forces=rng.normal(size=(atoms, 3)),
        perturbed_positions=rng.normal(size=(2, atoms, 3)),
        perturbed_energy=np.array([rng.normal(), np.nan]),
        perturbed_forces=rng.normal(size=(2, atoms, 3)),
        equilibrium_positions=known * rng.normal(size=(atoms, 3)),
        equilibrium_energy=float(known * rng.normal()),
        equilibrium_max_force=float(known * 1e-3),
        subset=subset,
    )


RNG = np.random.default_rng(0)
MOLECULES = [molecule(atoms, subset, RNG) for atoms, subset in ((3, 0), (2, 2), (5, 0), (4, 1), (3, 2))]


@pytest.fixture
def store() -> StructureStore:
    return StructureStore.from_molecules(MOLECULES, DESCRIBED)


def assert_equal(one: object, two: object) -> None:
    assert vars(one).keys() == vars(two).keys()
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, vars(two)[name], err_msg=name)


def test_each_molecule_comes_out_as_it_went_in(store: StructureStore) -> None:
    assert len(store) == 5
    for i, expected in enumerate(MOLECULES):
        assert_equal(store.molecule(i), expected)


def test_a_subset_is_a_store_of_its_molecules_in_order(store: StructureStore) -> None:
    tested = store.of_subset("test")
    assert_equal(tested, StructureStore.from_molecules([MOLECULES[1], MOLECULES[4]], DESCRIBED))
    assert np.isfinite(tested.equilibrium_positions).all()
    assert np.isnan(store.of_subset("train").equilibrium_energy).all()


def test_saved_and_loaded_is_equal_in_every_bit_and_equal_stores_give_equal_bytes(
    store: StructureStore, tmp_path: Path
) -> None:
    contents = set()
    for name in ("one", "two"):
        store.save(tmp_path / name)
        contents.add((tmp_path / name).read_bytes())
    assert len(contents) == 1
    assert_equal(StructureStore.load(tmp_path / "one"), store)


def test_the_file_holds_one_tensor_a_field_and_the_description(store: StructureStore, tmp_path: Path) -> None:
    store.save(tmp_path / "structures.safetensors")
    arrays, described = read_tensors(tmp_path / "structures.safetensors", FORM)
    assert arrays.keys() == {field.name for field in fields(StructureStore)} - {"described"}
    assert described == DESCRIBED


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("cheap_positions", np.zeros((16, 3)), r"cheap_positions is \(16, 3\) float64, expected \(17, 3\) float64"),
        ("cheap_energy", np.zeros(5, np.float32), r"cheap_energy is \(5,\) float32, expected \(5,\) float64"),
        ("perturbed_forces", np.zeros((3, 17, 3)), r"perturbed_forces is \(3, 17, 3\)"),
        ("atom_offsets", np.array([0, 3, 5, 10, 14, 16]), "atom_offsets do not rise from 0 to 17"),
        ("bond_offsets", np.array([0, 2, 1, 7, 10, 12]), "bond_offsets do not rise from 0 to 12"),
        ("bonds", np.zeros((2, 12), np.int64), "bonds leave their molecule"),
        ("subset", np.array([0, 1, 2, 3, 0]), "subset is not among 0 to 2"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    store: StructureStore, tmp_path: Path, name: str, wrong: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        replace(store, **{name: wrong})
    arrays = {key: value for key, value in vars(store).items() if key != "described"} | {name: wrong}
    write_tensors(tmp_path / "structures.safetensors", arrays, FORM, DESCRIBED)
    with pytest.raises(UserError, match=rf"structures.safetensors: {said}.*; delete it and run again"):
        StructureStore.load(tmp_path / "structures.safetensors")


def test_a_file_that_lacks_an_array_or_has_another_form_is_refused(store: StructureStore, tmp_path: Path) -> None:
    arrays = {key: value for key, value in vars(store).items() if key not in ("described", "bonds")}
    write_tensors(tmp_path / "lacking", arrays, FORM, DESCRIBED)
    with pytest.raises(UserError, match=r"lacking: .*bonds.*; delete it and run again"):
        StructureStore.load(tmp_path / "lacking")
    write_tensors(tmp_path / "older", arrays, "curvature-mtl-structures/0", DESCRIBED)
    with pytest.raises(UserError, match="older: its form is 'curvature-mtl-structures/0', expected"):
        StructureStore.load(tmp_path / "older")


def test_no_molecule_is_no_store(store: StructureStore) -> None:
    with pytest.raises(ValueError, match="at least one molecule"):
        StructureStore.from_molecules([], DESCRIBED)
    with pytest.raises(ValueError, match="at least one molecule"):
        store.of_subset("test").of_subset("train")
