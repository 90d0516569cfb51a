"""The study's data from molecules to files: labels that can be computed again, rejects with reasons, kills survived."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem
from tblite.interface import Calculator

from curvature_mtl.consistency import make_structures as making
from curvature_mtl.consistency import structures_of_molecule as module
from curvature_mtl.consistency.bonding import changed_bonding
from curvature_mtl.consistency.make_structures import MadeStructures, make_structures, summary
from curvature_mtl.consistency.structure_settings import StructureSettings
from curvature_mtl.consistency.structure_store import SUBSETS, StructureStore
from curvature_mtl.consistency.structures_of_molecule import (
    Rejected,
    structures_as_json,
    structures_from_json,
    structures_of_molecule,
)
from curvature_mtl.datasets.enumerate_molecules import enumerate_molecules
from curvature_mtl.datasets.sample_molecules import Unlabelled
from curvature_mtl.datasets.worker_processes import CHUNK
from curvature_mtl.errors import UserError
from curvature_mtl.finished_parts import FinishedParts
from curvature_mtl.graphs.molecule import scaffold_smiles

GOOD = ["CO", "C=O", "CC", "NC=O", "C1CO1", "CF", "C#N", "OO", "C=C", "CN"]
REASONS = {"C1#CC1": "no 3D embedding", "CB(C)C": "no MMFF94 parameters", "CC(=O)[O-].[Na+]": "more than one molecule"}
SETTINGS = StructureSettings(molecules=9, validation_molecules=2, test_molecules=2, perturbed=2)
OUTPUTS = {
    "structures": "structures.safetensors",
    "molecules": "molecules.parquet",
    "rejects": "rejects.csv",
    "summary": "structures.json",
}


def graphs(smiles: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"molecule": smiles, "scaffold": [scaffold_smiles(Chem.MolFromSmiles(s)) for s in smiles]})


def make(smiles: list[str], folder: Path, processes: int) -> MadeStructures:
    return make_structures(graphs(smiles), SETTINGS, 0, processes, FinishedParts(folder, "this"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeStructures:
    return make([*GOOD, *REASONS], tmp_path_factory.mktemp("made"), processes=2)


def test_rejects_have_a_stage_and_a_reason_and_all_others_are_in_the_store(made: MadeStructures) -> None:
    assert dict(zip(made.rejects["smiles"], made.rejects["reason"], strict=True)) == REASONS
    assert (made.rejects["stage"] == "cheap structure").all()
    assert sorted(made.molecules["smiles"]) == sorted(GOOD)
    assert len(made.store) == len(GOOD)
    assert [SUBSETS[number] for number in made.store.subset] == made.molecules["subset"].tolist()
    assert (made.molecules["n_failed_perturbed"] == 0).all()
    counts = summary(made)
    assert (counts["n_rejected"], sum(counts["n_molecules"].values())) == (3, 10)


def test_the_store_holds_the_molecular_graphs(made: MadeStructures) -> None:
    for i, row in enumerate(made.molecules.itertuples()):
        molecule, expected = made.store.molecule(i), Chem.AddHs(Chem.MolFromSmiles(row.smiles))
        assert molecule.numbers.tolist() == [atom.GetAtomicNum() for atom in expected.GetAtoms()]
        assert row.n_atoms == expected.GetNumAtoms()
        assert row.n_heavy_atoms == expected.GetNumHeavyAtoms()
        ends = {tuple(sorted(bond)): order for *bond, order in zip(*molecule.bonds, molecule.bond_orders, strict=True)}
        assert ends == {
            tuple(sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx()))): b.GetBondTypeAsDouble()
            for b in expected.GetBonds()
        }
        for positions in (molecule.cheap_positions, *molecule.perturbed_positions):
            assert changed_bonding(molecule.numbers, positions, molecule.bonds) == ""


def test_every_label_agrees_with_tblite_called_by_hand(made: MadeStructures) -> None:
    store = made.store
    for i in range(len(store)):
        molecule = store.molecule(i)
        calculator = Calculator("GFN2-xTB", molecule.numbers, molecule.cheap_positions)
        labelled = [
            (molecule.cheap_positions, molecule.cheap_energy, molecule.cheap_forces),
            *zip(molecule.perturbed_positions, molecule.perturbed_energy, molecule.perturbed_forces, strict=True),
        ]
        for positions, energy, forces in labelled:
            calculator.update(positions * 1.8897261246)
            result = calculator.singlepoint()
            assert energy / 27.211386246 == pytest.approx(float(result["energy"]), abs=1e-6)
            np.testing.assert_allclose(forces, -result["gradient"] * 27.211386246 * 1.8897261246, atol=3e-3)


def test_only_held_out_molecules_have_an_equilibrium_and_it_is_below_the_cheap_structure(made: MadeStructures) -> None:
    store = made.store
    held_out = store.subset > 0
    assert held_out.any() and not held_out.all()
    assert (np.isfinite(store.equilibrium_energy) == held_out).all()
    assert (np.isfinite(store.equilibrium_positions[:, 0]) == np.repeat(held_out, np.diff(store.atom_offsets))).all()
    assert (store.equilibrium_energy[held_out] < store.cheap_energy[held_out]).all()
    assert (store.equilibrium_max_force[held_out] < store.described["equilibrium_max_force"]).all()


def test_neither_processes_nor_the_order_of_the_table_matter(made: MadeStructures, tmp_path: Path) -> None:
    again = make([*reversed(REASONS), *reversed(GOOD)], tmp_path / "parts", processes=1)
    for name, folder in (("one", made), ("two", again)):
        folder.store.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    pd.testing.assert_frame_equal(again.molecules, made.molecules)
    pd.testing.assert_frame_equal(again.rejects, made.rejects)


def test_a_subset_of_which_all_are_rejected_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reject_the_tested(_: object, systems: list[list[str]], *__: object, **___: object) -> list[dict[str, str]]:
        return [{"stage": "equilibrium", "reason": "a bond broke"} if s[1] == "test" else {} for s in systems]

    monkeypatch.setattr(making, "label_each", reject_the_tested)
    with pytest.raises(UserError, match=r"^all 2 test molecules of the study of consistency were rejected; choose"):
        make([*GOOD, *REASONS], tmp_path, processes=1)


def test_a_perturbed_geometry_that_fails_has_no_labels_and_the_molecule_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    label = module.energy_and_forces

    def fail_the_third_time(numbers: np.ndarray, positions: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(positions)
        if len(calls) == 3:
            raise Unlabelled("GFN2-xTB failed: SCF not converged")
        return label(numbers, positions)

    monkeypatch.setattr(module, "energy_and_forces", fail_the_third_time)
    molecule = structures_from_json(structures_as_json(["CO", "train"], perturbed=3, seed=0))
    assert np.isnan(molecule.perturbed_energy).tolist() == [False, True, False]
    assert np.isnan(molecule.perturbed_forces).all(axis=(1, 2)).tolist() == [False, True, False]
    assert np.isfinite(molecule.perturbed_positions).all()


@pytest.mark.parametrize(("function", "stage"), [("energy_and_forces", "accurate label"), ("relax", "equilibrium")])
def test_a_failure_is_rejected_with_its_stage(monkeypatch: pytest.MonkeyPatch, function: str, stage: str) -> None:
    def fail(*_: object) -> None:
        raise Unlabelled("GFN2-xTB failed: SCF not converged")

    monkeypatch.setattr(module, function, fail)
    assert structures_as_json(["CO", "test"], 1, 0) == {"stage": stage, "reason": "GFN2-xTB failed: SCF not converged"}


def test_a_cheap_structure_that_lacks_a_bond_is_rejected() -> None:
    """MMFF94's minimum has an N-H bond of 1.35 angstrom."""
    with pytest.raises(Rejected, match="a bond broke") as caught:
        structures_of_molecule("CNc1ccoc1O", "train", 1, 0)
    assert caught.value.stage == "cheap structure"


def test_json_keeps_every_bit() -> None:
    molecule = structures_of_molecule("CO", "train", 2, 0)
    read = structures_from_json(json.loads(json.dumps(structures_as_json(["CO", "train"], 2, 0))))
    for name, value in vars(molecule).items():
        np.testing.assert_array_equal(vars(read)[name], value, err_msg=name)
        assert np.asarray(vars(read)[name]).dtype == np.asarray(value).dtype, name


def start(folder: Path) -> "subprocess.Popen[str]":
    settings = {"molecules": 4 * CHUNK, "validation_molecules": 4, "test_molecules": 4, "perturbed": 1}
    command = [sys.executable, "-m", "curvature_mtl.commands.make_structures", "--processes", "2"]
    command += ["--graphs", str(folder / "graphs.parquet"), "--settings", json.dumps(settings)]
    command += [part for name, file in OUTPUTS.items() for part in (f"--{name}", str(folder / file))]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_a_killed_command_goes_on_and_writes_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
        graphs(enumerate_molecules(150, seed=0)).to_parquet(folder / "graphs.parquet")
    assert start(folders[0]).wait() == 0
    killed = start(folders[1])
    parts = folders[1] / "structures.parts"
    while not list(parts.glob("*.json")):
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    kept = {file: file.stat().st_mtime_ns for file in parts.glob("*.json")}
    assert not (folders[1] / "structures.safetensors").exists()
    resumed = start(folders[1])
    while (now := {file: file.stat().st_mtime_ns for file in parts.glob("*.json")}) and resumed.poll() is None:
        assert now.items() >= kept.items()
        time.sleep(0.1)
    assert resumed.wait() == 0
    assert not parts.exists()
    for file in OUTPUTS.values():
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file
    assert len(StructureStore.load(folders[1] / "structures.safetensors")) > 4 * CHUNK
