"""QM8's file: 16 columns of numbers, four of which stand there twice."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from curvature_mtl.datasets.entry import DatasetEntry, dataset_entry
from curvature_mtl.datasets.labels import read_labels
from curvature_mtl.datasets.qm8 import read_qm8
from curvature_mtl.datasets.raw import RawRow, Rejects
from curvature_mtl.datasets.registered_file import verify
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.molecule import canonical_smiles, read_smiles

CC2 = ["E1-CC2", "E2-CC2", "f1-CC2", "f2-CC2"]
PBE0 = ["E1-PBE0", "E2-PBE0", "f1-PBE0", "f2-PBE0"]
CAM = ["E1-CAM", "E2-CAM", "f1-CAM", "f2-CAM"]
HEADER = ["smiles", *CC2, *PBE0, *PBE0, *CAM]
METHANE = ["C", "0.1", "0.2", "0.3", "0.4", *["0.5", "0.6", "0.7", "0.8"] * 2, "0.9", "1.0", "1.1", "1.2"]
ENTRY = dataset_entry("mine", {"source": "qm8"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "qm8.csv"


def read(path: Path, *rows: list[str], header: list[str] = HEADER, entry: DatasetEntry = ENTRY) -> list[RawRow]:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return list(read_qm8(path, entry))


def changed(column: int, cell: str) -> list[str]:
    return [*METHANE[:column], cell, *METHANE[column + 1 :]]


def without(column: int, line: list[str]) -> list[str]:
    return line[:column] + line[column + 1 :]


def test_the_tasks_are_the_12_distinct_columns_in_the_order_of_the_file() -> None:
    assert ENTRY.columns == [*CC2, *PBE0, *CAM]


def test_a_row_is_called_by_its_smiles_and_gives_each_task_its_own_column(path: Path) -> None:
    [row] = read(path, METHANE)
    assert (row.row, row.identifier, row.structure, row.objection) == (1, "C", "C", None)
    rejects = Rejects()
    np.testing.assert_array_equal(read_labels(row, ENTRY.tasks, rejects), np.arange(1, 13) / 10)
    assert rejects.rows == []


@pytest.mark.parametrize(
    ("line", "reason", "found"),
    [
        (changed(9, "0.51"), "the two columns E1-PBE0 differ", "0.5 and 0.51"),
        (changed(12, ""), "the two columns f2-PBE0 differ", "0.8 and "),
        (METHANE[:-1], "not 17 cells, as the header has", "16"),
        ([*METHANE, "1"], "not 17 cells, as the header has", "18"),
    ],
    ids=["differing repeat", "missing repeat", "short row", "long row"],
)
def test_a_bad_row_has_an_objection_and_the_next_has_none(path: Path, line: list[str], reason: str, found: str) -> None:
    bad, good = read(path, line, METHANE)
    assert bad.objection
    assert (bad.identifier, bad.objection.reason, bad.objection.found) == ("C", reason, found)
    assert good.objection is None


def test_equal_repeats_need_not_be_numbers(path: Path) -> None:
    line = changed(5, "")
    line[9] = ""
    [row] = read(path, line)
    assert row.objection is None


@pytest.mark.parametrize("missing", ["smiles", "f1-CAM"])
def test_a_missing_column_is_named(path: Path, missing: str) -> None:
    at = HEADER.index(missing)
    with pytest.raises(UserError, match=rf"qm8.csv: no column {missing}; the file has "):
        read(path, without(at, METHANE), header=without(at, HEADER))


def test_columns_of_tasks_that_are_not_learned_may_be_missing(path: Path) -> None:
    at = HEADER.index("f1-CAM")
    entry = dataset_entry("mine", {"source": "qm8", "tasks": ["E1-CC2"]})
    [row] = read(path, without(at, METHANE), header=without(at, HEADER), entry=entry)
    assert row.cells["E1-CC2"] == "0.1"


def test_a_block_that_does_not_repeat_is_not_qm8(path: Path) -> None:
    with pytest.raises(UserError, match=r"qm8.csv: column E1-PBE0 stands there 1 times, expected 2; is this QM8\?"):
        read(path, without(9, METHANE), header=without(9, HEADER))


def test_an_empty_file_is_refused(path: Path) -> None:
    path.write_text("")
    with pytest.raises(UserError, match=r"qm8.csv: no data rows"):
        list(read_qm8(path, ENTRY))


@pytest.mark.skipif("CURVATURE_MTL_MIRROR" not in os.environ, reason="CURVATURE_MTL_MIRROR names no folder with QM8")
def test_the_real_file_has_21786_good_rows_of_21766_molecules() -> None:
    [registered] = SOURCES["qm8"].downloads
    path = Path(os.environ["CURVATURE_MTL_MIRROR"]) / registered.file
    verify(path, registered)
    rows = list(read_qm8(path, ENTRY))
    rejects = Rejects()
    labels = np.array([read_labels(row, ENTRY.tasks, rejects) for row in rows])
    assert labels.shape == (21_786, 12)
    assert not np.isnan(labels).any()
    assert rejects.rows == [row for row in rows if row.objection] == []
    assert len({canonical_smiles(read_smiles(row.structure)) for row in rows}) == 21_766
