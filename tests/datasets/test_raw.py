"""From text cells to labels: every bad row is rejected with its number and a reason, and none stops a run."""

from pathlib import Path

import numpy as np
import pytest

from curvature_mtl.datasets.raw import RawTable, Rejects, label_table, read_cells
from curvature_mtl.errors import UserError


def read(path: Path, text: str, tasks: tuple[str, ...] = ("gap", "mu")) -> RawTable:
    path.write_text(text)
    header, lines = read_cells(path)
    return label_table(path, header, lines, "smiles", list(tasks), lambda line: "odd" if line[0] == "odd" else "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "raw.csv"


def test_good_rows_become_labels_in_the_order_of_the_tasks(path: Path) -> None:
    raw = read(path, "mu,smiles,extra,gap\n1,C,x,2e-1\n-3, CC ,y, 4.5 \n")
    assert (raw.rows, raw.identifiers) == ([1, 2], ["C", " CC "])
    np.testing.assert_array_equal(raw.labels, [[0.2, 1], [4.5, -3]])
    assert raw.rejects.rows == []


def test_an_empty_cell_is_a_missing_label(path: Path) -> None:
    raw = read(path, "smiles,gap,mu\nC,,1\nCC,  ,\n")
    np.testing.assert_array_equal(raw.labels, [[np.nan, 1], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("C,high,1", "gap is 'high', not a number"),
        ("C,1,0x10", "mu is '0x10', not a number"),
        ("C,1_000,1", "gap is '1_000', not a number"),
        ("C,inf,1", "gap is 'inf', not finite"),
        ("C,1,nan", "mu is 'nan', not finite"),
        ("C,1e999,1", "gap is '1e999', not finite"),
        ("C,1", "2 cells, the header has 3"),
        ("C,1,2,3", "4 cells, the header has 3"),
        ("odd,1,2", "odd"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(path: Path, row: str, reason: str) -> None:
    raw = read(path, f"smiles,gap,mu\nCC,1,2\n{row}\nCCC,3,4\n")
    assert raw.rejects.rows == [(2, row.split(",")[0], reason)]
    assert (raw.rows, raw.identifiers) == ([1, 3], ["CC", "CCC"])
    np.testing.assert_array_equal(raw.labels, [[1, 2], [3, 4]])


def test_a_row_too_short_for_its_identifier_is_rejected_without_one(path: Path) -> None:
    assert read(path, "gap,mu,smiles\n1\n").rejects.rows == [(1, "", "1 cells, the header has 3")]


def test_a_table_of_bad_rows_only_still_has_the_shape_of_one(path: Path) -> None:
    assert read(path, "smiles,gap,mu\nC,x,1\n").labels.shape == (0, 2)


def test_rejects_come_in_the_order_of_their_rows() -> None:
    rejects = Rejects()
    rejects.add(7, "CC", "late")
    rejects.add(2, "C", "early")
    table = rejects.table()
    assert list(table.columns) == ["row", "identifier", "reason"]
    assert table.to_numpy().tolist() == [[2, "C", "early"], [7, "CC", "late"]]


def test_no_rejects_are_an_empty_table_with_its_columns() -> None:
    assert list(Rejects().table().columns) == ["row", "identifier", "reason"]


def test_missing_columns_are_named_with_those_there_are(path: Path) -> None:
    with pytest.raises(UserError, match=r"raw.csv: no column smiles, mu; the file has SMILES, gap$"):
        read(path, "SMILES,gap\nC,1\n")


@pytest.mark.parametrize("text", ["", "\n\n", "smiles,gap,mu\n", "smiles,gap,mu\n\n"])
def test_a_file_without_data_rows_is_refused(path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"raw.csv: no data rows"):
        read(path, text)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(UserError, match=r"raw.csv: no such file"):
        read_cells(path)


def test_a_binary_file_is_no_csv_text(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(UserError, match=r"raw.csv: not a CSV text file"):
        read_cells(path)


def test_quotes_a_byte_order_mark_and_windows_line_ends_are_understood(path: Path) -> None:
    path.write_bytes('\ufeffsmiles,gap\r\n"C,""x""",1\r\n'.encode())
    assert read_cells(path) == (["smiles", "gap"], [['C,"x"', "1"]])
