"""The command as a user runs it: exit codes, what is left out and why, and errors of one line."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.graphs.store import GraphStore

[REGISTERED] = SOURCES["qm8"].downloads
QM8 = {"source": "qm8"}
LABELS = [
    "smiles",
    *(f"{name}-{level}" for level in ("CC2", "PBE0", "PBE0", "CAM") for name in ("E1", "E2", "f1", "f2")),
]
NUMBERS = ["0.5"] * 16
ROWS = [["CCO", *NUMBERS], ["C1CC", *NUMBERS], ["C", *NUMBERS[1:], "x"], ["c1ccccc1", *NUMBERS]]
OUTPUTS = {
    "graphs": "graphs.safetensors",
    "table": "graphs.parquet",
    "rejects": "rejects.csv",
    "example": "example.json",
    "summary": "dataset.json",
}


@dataclass(frozen=True)
class Run:
    """One run of the command: what it said, and its outputs."""

    returncode: int
    stderr: str
    folder: Path

    def rejects(self) -> list[list[Any]]:
        """Return rows of row, identifier, dropped, reason, found."""
        table = pd.read_csv(self.folder / "rejects.csv", keep_default_na=False)
        assert list(table.columns) == ["row", "identifier", "dropped", "reason", "found"]
        return table.to_numpy().tolist()

    def table(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "graphs.parquet")

    def store(self) -> GraphStore:
        return GraphStore.load(self.folder / "graphs.safetensors")

    def json(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())

    def error(self) -> str:
        """Return the one line of a run that failed and left nothing behind."""
        assert (self.returncode, self.stderr.count("\n")) == (1, 1), self.stderr
        assert not self.folder.exists()
        return self.stderr.removeprefix("ERROR: ").removesuffix("\n")


def featurize(raw: Path, entry: dict[str, Any], *options: str) -> Run:
    out = raw.parent / "out"
    files = [part for name, file in OUTPUTS.items() for part in (f"--{name}", str(out / file))]
    module = "curvature_mtl.commands.featurize"
    command = [sys.executable, "-m", module, "--dataset", "mine", "--entry", json.dumps(entry), "--raw", str(raw)]
    done = subprocess.run([*command, *files, *options], capture_output=True, text=True, cwd=raw.parent, check=False)
    assert done.stdout == ""
    return Run(done.returncode, done.stderr, out)


def write_qm8(folder: Path) -> Path:
    path = folder / "qm8.csv"
    path.write_text("\n".join(",".join(row) for row in [LABELS, *ROWS]))
    return path


@pytest.fixture
def qm8(tmp_path: Path) -> Path:
    return write_qm8(tmp_path)


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the run on four rows, of which one has no readable SMILES and one a label that is no number."""
    raw = write_qm8(tmp_path_factory.mktemp("molecules"))
    return featurize(raw, QM8, "--unverified", "--log", str(raw.parent / "featurize.log"))


def test_what_is_no_good_is_left_out_and_the_rest_is_featurized(molecules: Run) -> None:
    folder = molecules.folder
    assert molecules.returncode == 0
    warning = f"WARNING: {folder.parent}/qm8.csv: 1 rows and 1 labels left out, see {folder}/rejects.csv\n"
    assert molecules.stderr == warning
    assert molecules.rejects() == [
        [2, "C1CC", "graph", "SMILES cannot be read by RDKit", ""],
        [3, "C", "f2-CAM", "not a number", "x"],
    ]
    assert molecules.table()["row"].tolist() == [1, 3, 4]
    targets = molecules.store().targets
    assert targets.shape == (3, 12)
    assert np.argwhere(np.isnan(targets)).tolist() == [[1, 11]]


def test_the_log_counts_what_was_left_out_by_its_reason(molecules: Run) -> None:
    log = (molecules.folder.parent / "featurize.log").read_text()
    assert "graph: 1 dropped, SMILES cannot be read by RDKit (first: row 2)" in log
    assert "f2-CAM: 1 dropped, not a number (first: row 3)" in log


def test_the_summary_says_what_the_dataset_is(molecules: Run) -> None:
    summary = molecules.json("dataset")
    assert (summary["dataset"], summary["source"], summary["kind"]) == ("mine", "qm8", "molecule")
    assert (summary["n_graphs"], summary["n_rejected"], summary["n_labels_dropped"]) == (3, 1, 1)
    assert summary["is_sample"] is False
    assert summary["licence"] == SOURCES["qm8"].licence
    assert summary["tasks"][0] == {"name": "E1-CC2", "unit": "hartree"}
    raw = molecules.folder.parent / "qm8.csv"
    assert summary["raw_sha256"] == hashlib.sha256(raw.read_bytes()).hexdigest()


def test_the_example_is_a_graph_that_can_be_drawn(molecules: Run) -> None:
    example = molecules.json("example")
    assert (example["identifier"], example["symbols"], example["cell"]) == ("c1ccccc1", ["C"] * 6, None)
    assert np.shape(example["positions"]) == (6, 3)
    assert len(example["edges"]) == 6


def test_the_number_of_processes_changes_nothing(qm8: Path, molecules: Run) -> None:
    together = featurize(qm8, QM8, "--unverified", "--processes", "2")
    for file in OUTPUTS.values():
        assert (together.folder / file).read_bytes() == (molecules.folder / file).read_bytes()


def test_a_missing_column_is_one_line(qm8: Path) -> None:
    qm8.write_text(qm8.read_text().replace("f1-CAM", "f1-cam"))
    error = featurize(qm8, QM8, "--unverified").error()
    assert error.startswith(f"{qm8}: no column f1-CAM; the file has smiles, ")


def test_a_changed_registered_file_is_refused_with_both_digests(qm8: Path) -> None:
    error = featurize(qm8, QM8).error()
    assert error.startswith(f"{qm8}: not the registered file qm8/qm8.csv: ")
    assert hashlib.sha256(qm8.read_bytes()).hexdigest() in error
    assert REGISTERED.sha256
    assert REGISTERED.sha256 in error


def test_a_changed_table_of_mp_2020_is_refused_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "mp_2020.parquet"
    pd.DataFrame({"material_id": ["mp-1"], "cif": ["data_x"]}).to_parquet(path)
    error = featurize(path, {"source": "mp_2020"}).error()
    assert error.startswith(f"{path}: not the registered structures of mp_2020: their sha256 is ")


def test_a_wrong_entry_is_one_line_that_names_the_key(qm8: Path) -> None:
    error = featurize(qm8, {**QM8, "tasks": ["E3"]}).error()
    assert error.startswith("config: datasets.mine.tasks: 'E3' is unknown; allowed: E1-CC2, ")


# Crystals: a user's table, with one cell of each mistake.

DESCRIBED = {"title": "mine", "licence": "CC0", "citation": "me"}
TASKS = {
    "gap": {"unit": "eV"},
    "log_K": {"unit": "log10 GPa", "column": "K", "transform": "log10", "group": "elastic"},
    "ratio": {"unit": "dimensionless", "valid": [-0.5, 0.5], "group": "elastic"},
}
CRYSTALS = {
    "source": "table",
    "max_sites": 4,
    "table": {"file": "crystals.csv", "structure": "crystal", "identifier": "name", "tasks": TASKS, **DESCRIBED},
}
CESIUM_CHLORIDE = ["Cs 0 0 0", "Cl 0.5 0.5 0.5"]


def cif(sites: list[str], length: float = 4.1, occupancy: str = "1") -> str:
    cell = [f"_cell_length_{axis} {length}" for axis in "abc"]
    cell += [f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
    names = ["label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"]
    lines = [f"{site.split()[0]}{number} {site} {occupancy}" for number, site in enumerate(sites)]
    loop = ["loop_", *(f"_atom_site_{name}" for name in names), *lines]
    return "\n".join(["data_crystal", *cell, *loop, ""])


def json_crystal(position: list[float]) -> str:
    sites = [{"species": [{"element": "Cu", "occu": 1}], "abc": position}]
    return json.dumps({"lattice": {"matrix": [[2, 0, 0], [0, 2, 0], [0, 0, 2]]}, "sites": sites})


GOOD = cif(CESIUM_CHLORIDE)
# Name, crystal, and what stands in its row of the rejects.
BAD_CRYSTALS = [
    ("unparsable", "data_x\nloop_\n_atom_site_fract_x\n'", "the CIF cannot be read"),
    ("no crystal", "Pb Te", "neither CIF, JSON nor POSCAR"),
    ("empty", "", "no structure"),
    ("at NaN", json_crystal([float("nan"), 0, 0]), "a coordinate or cell length is not finite"),
    ("unknown element", cif(["Cs 0 0 0", "Xx 0.5 0.5 0.5"]), "unknown element"),
    ("disordered", cif(CESIUM_CHLORIDE, occupancy="0.5"), "disordered: a site of partial or several occupancies"),
    ("overlapping", cif(["Cs 0 0 0", "Cl 0 0 0.01"]), "sites closer than 0.5 angstrom"),
    ("isolated", cif(["Cs 0 0 0"], length=30), "a site without a neighbour within 8 angstrom"),
    ("too large", cif([f"Cs {i / 5} 0 0" for i in range(5)], length=15), "more than 4 sites"),
]


def write_crystals(folder: Path, rows: list[tuple[str, str, Any, Any, Any]]) -> Path:
    """Write rows of name, crystal, gap, K and ratio."""
    path = folder / "crystals.csv"
    pd.DataFrame(rows, columns=["name", "crystal", "gap", "K", "ratio"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the run on a table that has all that can be wrong with a crystal or its labels."""
    rows: list[tuple[str, str, Any, Any, Any]] = [("good", GOOD, 1, 100, 0.3)]
    rows += [(name, crystal, 1, 100, 0.3) for name, crystal, _ in BAD_CRYSTALS]
    rows += [
        ("K of -3", GOOD, 1, -3, 0.3),
        ("K of 0", GOOD, 1, 0, ""),
        ("only K, out of range", GOOD, "", 100, 7),
        ("no label", GOOD, "", "", ""),
        ("no elasticity", GOOD, 2, "", ""),
        ("text for a gap", GOOD, "wide", 10, 0.2),
    ]
    return featurize(write_crystals(tmp_path_factory.mktemp("crystals"), rows), CRYSTALS)


def test_no_bad_crystal_stops_the_run(crystals: Run) -> None:
    assert crystals.returncode == 0
    bad, labels = len(BAD_CRYSTALS) + 2, 6
    raw = crystals.folder.parent / "crystals.csv"
    warning = f"WARNING: {raw}: {bad} rows and {labels} labels left out, see {crystals.folder}/rejects.csv"
    assert warning in crystals.stderr.splitlines()


@pytest.mark.parametrize(("name", "reason"), [(name, reason) for name, _, reason in BAD_CRYSTALS])
def test_a_crystal_that_is_no_good_is_left_out_with_its_reason(crystals: Run, name: str, reason: str) -> None:
    [row] = [row for row in crystals.rejects() if row[1] == name]
    assert row[2:4] == ["graph", reason]


def test_the_reject_shows_what_was_found(crystals: Run) -> None:
    found = {row[1]: row[4] for row in crystals.rejects() if row[2] == "graph"}
    assert found["unknown element"] == "Xx"
    assert found["too large"] == "5"
    assert float(found["overlapping"]) == pytest.approx(0.041, abs=1e-3)


def test_labels_that_are_no_good_are_dropped_with_their_group(crystals: Run) -> None:
    first = len(BAD_CRYSTALS) + 2
    assert [row for row in crystals.rejects() if row[0] >= first] == [
        [first, "K of -3", "log_K", "no log10", "-3"],
        [first, "K of -3", "ratio", "another label of its group was dropped", ""],
        [first + 1, "K of 0", "log_K", "no log10", "0"],
        [first + 2, "only K, out of range", "graph", "no label of any task", ""],
        [first + 2, "only K, out of range", "log_K", "another label of its group was dropped", ""],
        [first + 2, "only K, out of range", "ratio", "outside the valid range -0.5..0.5", "7"],
        [first + 3, "no label", "graph", "no label of any task", ""],
        [first + 5, "text for a gap", "gap", "not a number", "wide"],
    ]


def test_the_graphs_are_those_of_the_good_crystals(crystals: Run) -> None:
    table = crystals.table()
    assert table["identifier"].tolist() == ["good", "K of -3", "K of 0", "no elasticity", "text for a gap"]
    assert set(table["formula"]) == {"CsCl"}
    assert table["nodes"].tolist() == [2] * 5
    missing = np.nan
    np.testing.assert_allclose(
        crystals.store().targets,
        [[1, 2, 0.3], [1, missing, missing], [1, missing, missing], [2, missing, missing], [missing, 1, 0.2]],
        rtol=1e-6,
    )


def test_the_example_of_crystals_has_a_cell(crystals: Run) -> None:
    example = crystals.json("example")
    assert (example["identifier"], example["symbols"]) == ("good", ["Cs", "Cl"])
    assert np.shape(example["cell"]) == (3, 3)
    assert crystals.json("dataset")["kind"] == "crystal"


def test_an_empty_table_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "crystals.csv"
    path.write_text("name,crystal,gap,K,ratio\n")
    assert featurize(path, CRYSTALS).error() == f"{path}: no data rows below the header"


def test_a_table_of_bad_rows_alone_is_one_line_with_the_first_reasons(tmp_path: Path) -> None:
    path = write_crystals(tmp_path, [("a", "Pb Te", 1, 1, 0), ("b", "", 1, 1, 0), ("c", GOOD, "", -3, "")])
    log = tmp_path / "featurize.log"
    error = featurize(path, CRYSTALS, "--log", str(log)).error()
    assert error.startswith(
        f"{path}: none of the 3 rows can be used (row 1: neither CIF, JSON nor POSCAR; row 2: no structure;"
    )
    assert f"ERROR {error}\n" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.skipif("CURVATURE_MTL_MIRROR" not in os.environ, reason="CURVATURE_MTL_MIRROR names no folder with mp/")
def test_the_first_real_crystals_have_graphs(tmp_path: Path) -> None:
    path = tmp_path / "mp_2020.parquet"
    source = SOURCES["mp_2020"].assembled
    pd.read_parquet(Path(os.environ["CURVATURE_MTL_MIRROR"]) / source).head(100).to_parquet(path)
    run = featurize(path, {"source": "mp_2020", "max_sites": 20}, "--unverified")
    assert run.returncode == 0
    left_out = [row for row in run.rejects() if row[2] == "graph"]
    assert {row[3] for row in left_out} <= {"more than 20 sites"}
    assert len(run.table()) + len(left_out) == 100
