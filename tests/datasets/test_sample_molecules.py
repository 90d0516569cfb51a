"""The labels against symmetry, atoms known from elsewhere, and calculations that go around the pipeline."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem
from tblite.interface import Calculator

from curvature_mtl.datasets import sample_molecules as module
from curvature_mtl.datasets.registry import XTB_LEVELS
from curvature_mtl.datasets.sample_molecules import (
    DECIMALS,
    TASK_UNITS,
    Unlabelled,
    embed,
    label_molecule,
    label_molecules,
    single_point,
)
from curvature_mtl.finished_parts import FinishedParts

LABELLED = ["C=C", "C#C", "CO", "NC=O", "c1cc[nH]c1", "FC(F)F"]
REASONS = {
    "C[": "SMILES cannot be read by RDKit",
    "CCl": "element Cl is not among H, C, N, O, F",
    "[CH2]": "not a neutral closed-shell molecule",
    "C[NH3+]": "not a neutral closed-shell molecule",
    "C1#CC1": "no 3D embedding",
    "O=O": "no MMFF94 parameters",
}
TASKS = list(TASK_UNITS)
# Water as measured: O-H 0.9584 angstrom, H-O-H 104.45 degrees.
WATER = 0.9584 * np.array([[0, 0, 0], [1, 0, 0], [np.cos(np.radians(104.45)), np.sin(np.radians(104.45)), 0]])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    finished = FinishedParts(tmp_path_factory.mktemp("parts"), "this")
    return label_molecules([*LABELLED, *REASONS], 0, 2, finished)


def test_columns_in_order_of_levels(table: pd.DataFrame) -> None:
    names = [f"{name}-{level}" for level in XTB_LEVELS for name in ("gap", "homo", "dipole", "atomization")]
    assert names == TASKS
    assert list(table.columns) == ["smiles", *names, "reject_reason"]
    assert list(table["smiles"]) == [*LABELLED, *REASONS]


def test_labelled_rows_are_complete_and_rounded(table: pd.DataFrame) -> None:
    good = table[: len(LABELLED)]
    assert (good["reject_reason"] == "").all()
    assert np.array_equal(good[TASKS].to_numpy(), good[TASKS].round(DECIMALS).to_numpy())


def test_rejected_rows_carry_a_reason_and_no_labels(table: pd.DataFrame) -> None:
    bad = table[len(LABELLED) :]
    assert dict(zip(bad["smiles"], bad["reject_reason"], strict=True)) == REASONS
    assert bad[TASKS].isna().all(axis=None)


def test_a_calculation_that_fails_becomes_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    set_option = Calculator.set
    monkeypatch.setattr(Calculator, "set", lambda self, *_: set_option(self, "max-iter", 2))
    with pytest.raises(Unlabelled, match="GFN1-xTB failed: SCF not converged"):
        label_molecule("CO", seed=0)


def test_labels_depend_neither_on_processes_nor_on_order(table: pd.DataFrame, tmp_path: Path) -> None:
    again = label_molecules(list(reversed(table["smiles"])), 0, 1, FinishedParts(tmp_path, "this"))
    pd.testing.assert_frame_equal(again[::-1].reset_index(drop=True), table, check_exact=True)


def test_seed_changes_the_embedding() -> None:
    first, same, other = (embed("CCO", seed).GetConformer().GetPositions() for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("smiles", ["C=C", "C#C"])
def test_centrosymmetric_molecules_have_no_dipole(table: pd.DataFrame, smiles: str) -> None:
    row = table.set_index("smiles").loc[smiles]
    assert max(row[f"dipole-{level}"] for level in XTB_LEVELS) < 1e-3


def test_molecules_are_bound_and_homos_lie_below_vacuum(table: pd.DataFrame) -> None:
    good = table[: len(LABELLED)]
    assert (good.filter(like="atomization") > 10).all(axis=None)
    assert (good.filter(like="homo") < -5).all(axis=None)
    assert (good.filter(like="gap") > 0).all(axis=None)


@pytest.mark.parametrize(
    ("level", "symbol", "hartree"),
    [
        # GFN2: from the xtb program; GFN1: from the tests of dxtb, another implementation.
        ("GFN2", "H", -0.393482763936),
        ("GFN2", "C", -1.793296371365),
        ("GFN2", "N", -2.605824161279),
        ("GFN2", "O", -3.767606950376),
        ("GFN2", "F", -4.619339964238),
        ("GFN1", "H", -0.40142947446183),
    ],
)
def test_isolated_atoms(level: str, symbol: str, hartree: float) -> None:
    assert module._atom_energy(level, symbol) == pytest.approx(hartree, abs=1e-7)


def test_water_at_its_measured_geometry() -> None:
    """Around the pipeline: bohr by hand, eight valence electrons in four orbitals, energies of the atoms as above."""
    result = Calculator("GFN2-xTB", np.array([8, 1, 1]), WATER * 1.8897261246).singlepoint()
    energies = result["orbital-energies"]
    labels = module._labels_at("GFN2", ["O", "H", "H"], WATER)
    assert float(single_point("GFN2", ["O", "H", "H"], WATER)["energy"]) == pytest.approx(-5.070373, abs=1e-5)
    assert labels["homo"] == pytest.approx(27.2113862 * energies[3], abs=1e-5)
    assert labels["gap"] == pytest.approx(27.2113862 * (energies[4] - energies[3]), abs=1e-5)
    assert labels["gap"] == pytest.approx(14.603, abs=1e-3)
    assert labels["dipole"] == pytest.approx(2.5417465 * np.linalg.norm(result["dipole"]), abs=1e-5)
    atoms = -3.767606950376 - 2 * 0.393482763936
    assert labels["atomization"] == pytest.approx(27.2113862 * (atoms - float(result["energy"])), abs=1e-4)


def test_labels_come_from_the_embedded_geometry(table: pd.DataFrame) -> None:
    molecule = embed("NC=O", seed=0)
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    bohr = molecule.GetConformer().GetPositions() * 1.8897261246
    row = table.set_index("smiles").loc["NC=O"]
    for level in XTB_LEVELS:
        result = Calculator(f"{level}-xTB", numbers, bohr).singlepoint()
        highest = 27.2113862 * result["orbital-energies"][18 // 2 - 1]  # valence electrons: N 5, C 4, O 6, 3 H
        assert row[f"homo-{level}"] == pytest.approx(highest, abs=1e-4)


def test_embedded_geometry_is_a_molecule() -> None:
    """Bonds of methanol within 0.03 angstrom of the measured C-O 1.421, O-H 0.963 and C-H 1.094."""
    molecule = embed("CO", seed=0)
    distances = Chem.Get3DDistanceMatrix(molecule)
    for bond in molecule.GetBonds():
        pair = "".join(sorted(bond.GetBeginAtom().GetSymbol() + bond.GetEndAtom().GetSymbol()))
        length = distances[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
        assert length == pytest.approx({"CO": 1.421, "HO": 0.963, "CH": 1.094}[pair], abs=0.03)
