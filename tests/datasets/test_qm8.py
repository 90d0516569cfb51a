"""QM8's file: 16 columns of numbers, four of which stand there twice."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from curvature_mtl.datasets.download import verify
from curvature_mtl.datasets.qm8 import read_qm8
from curvature_mtl.datasets.raw import RawTable
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.molecule import canonical_smiles, read_smiles

CC2 = ["E1-CC2", "E2-CC2", "f1-CC2", "f2-CC2"]
PBE0 = ["E1-PBE0", "E2-PBE0", "f1-PBE0", "f2-PBE0"]
CAM = ["E1-CAM", "E2-CAM", "f1-CAM", "f2-CAM"]
HEADER = ["smiles", *CC2, *PBE0, *PBE0, *CAM]
METHANE = ["C", "0.1", "0.2", "0.3", "0.4", *["0.5", "0.6", "0.7", "0.8"] * 2, "0.9", "1.0", "1.1", "1.2"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "qm8.csv"


def read(path: Path, *rows: list[str], header: list[str] = HEADER) -> RawTable:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return read_qm8(path)


def changed(column: int, cell: str) -> list[str]:
    return [*METHANE[:column], cell, *METHANE[column + 1 :]]


def test_the_tasks_are_the_12_distinct_columns_in_the_order_of_the_file() -> None:
    assert [task.name for task in SOURCES["qm8"].tasks] == [*CC2, *PBE0, *CAM]


def test_a_row_gives_each_task_its_own_column(path: Path) -> None:
    raw = read(path, METHANE)
    np.testing.assert_array_equal(raw.labels, [np.arange(1, 13) / 10])
    assert raw.identifiers == ["C"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (changed(9, "0.51"), "E1-PBE0 is '0.5' and, where the column repeats, '0.51'"),
        (changed(12, ""), "f2-PBE0 is '0.8' and, where the column repeats, ''"),
        (changed(3, "n/a"), "f1-CC2 is 'n/a', not a number"),
        (METHANE[:-1], "16 cells, the header has 17"),
    ],
    ids=["differing repeat", "half missing repeat", "no number", "short row"],
)
def test_a_bad_row_is_rejected_with_its_reason(path: Path, row: list[str], reason: str) -> None:
    raw = read(path, row, METHANE)
    assert raw.rejects.rows == [(1, "C", reason)]
    assert raw.rows == [2]


def test_an_empty_cell_is_a_missing_label(path: Path) -> None:
    raw = read(path, changed(16, ""))
    assert np.flatnonzero(np.isnan(raw.labels[0])).tolist() == [11]


@pytest.mark.parametrize("missing", ["smiles", "f1-CAM"])
def test_a_missing_column_is_named(path: Path, missing: str) -> None:
    at = HEADER.index(missing)
    with pytest.raises(UserError, match=rf"qm8.csv: no column {missing}; the file has "):
        read(path, METHANE[:at] + METHANE[at + 1 :], header=HEADER[:at] + HEADER[at + 1 :])


def test_a_block_that_does_not_repeat_is_not_qm8(path: Path) -> None:
    with pytest.raises(UserError, match=r"qm8.csv: column E1-PBE0 stands there 1 times, expected 2; is this QM8\?"):
        read(path, METHANE[:9] + METHANE[10:], header=HEADER[:9] + HEADER[10:])


def test_an_empty_file_is_refused(path: Path) -> None:
    path.write_text("")
    with pytest.raises(UserError, match=r"qm8.csv: no data rows"):
        read_qm8(path)


@pytest.mark.skipif("CURVATURE_MTL_MIRROR" not in os.environ, reason="CURVATURE_MTL_MIRROR names no folder with QM8")
def test_the_real_file_has_21786_good_rows_of_21766_molecules() -> None:
    registered = SOURCES["qm8"].download
    assert registered
    path = Path(os.environ["CURVATURE_MTL_MIRROR"]) / registered.file
    verify(path, registered)
    raw = read_qm8(path)
    assert raw.labels.shape == (21_786, 12)
    assert raw.rejects.rows == []
    assert not np.isnan(raw.labels).any()
    assert len({canonical_smiles(read_smiles(smiles)) for smiles in raw.identifiers}) == 21_766
