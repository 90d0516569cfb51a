"""Text cells become rows: blank lines count, rows of a wrong length have an objection, and none stops a run."""

import pickle
from pathlib import Path

import pytest

from curvature_mtl.datasets.raw import RawRow, Rejects, Unreadable, csv_row, read_csv_rows, require_columns
from curvature_mtl.errors import UserError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "raw.csv"


def read(path: Path, text: str) -> list[RawRow]:
    path.write_text(text)
    header, lines = read_csv_rows(path)
    return [csv_row(number, header, line, "name", "smiles") for number, line in lines]


def test_a_row_has_its_cells_by_name_as_the_text_they_are(path: Path) -> None:
    [row] = read(path, "mu,smiles,name\n 1e3 , CC ,ethane\n")
    assert (row.row, row.identifier, row.structure) == (1, "ethane", " CC ")
    assert row.cells == {"mu": " 1e3 ", "smiles": " CC ", "name": "ethane"}
    assert (row.objection, row.group_objections) == (None, {})


def test_rows_are_numbered_from_1_and_blank_lines_count(path: Path) -> None:
    assert [row.row for row in read(path, "smiles,name\nC,a\n\nCC,b\n\n")] == [1, 3]


@pytest.mark.parametrize(("line", "cells", "structure"), [("a", 1, ""), ("a,C,1,2", 4, "C")], ids=["short", "long"])
def test_a_row_of_a_wrong_length_has_an_objection_and_the_others_none(
    path: Path, line: str, cells: int, structure: str
) -> None:
    bad, good = read(path, f"name,smiles,mu\n{line}\nb,CC,1\n")
    assert bad.objection
    assert (bad.objection.reason, bad.objection.found) == ("not 3 cells, as the header has", str(cells))
    assert (bad.identifier, bad.structure) == ("a", structure)
    assert good.objection is None


def test_quotes_a_byte_order_mark_and_windows_line_ends_are_understood(path: Path) -> None:
    path.write_bytes('\ufeffsmiles,gap\r\n"C,""x""",1\r\n"two\nlines",2\r\n'.encode())
    header, lines = read_csv_rows(path)
    assert header == ["smiles", "gap"]
    assert list(lines) == [(1, ['C,"x"', "1"]), (2, ["two\nlines", "2"])]


def test_a_cell_may_hold_a_crystal_of_thousands_of_sites(path: Path) -> None:
    [row] = read(path, f'name,smiles\na,"{"x" * 1_000_000}"\n')
    assert len(row.structure) == 1_000_000


@pytest.mark.parametrize("text", ["", "\n\n", "smiles,gap\n", "smiles,gap\n\n\n"])
def test_a_file_without_data_rows_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(UserError, match=r"raw.csv: no data rows"):
        read_csv_rows(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(UserError, match=r"raw.csv: no such file$"):
        read_csv_rows(path)


def test_a_binary_file_is_no_csv_text(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(UserError, match=r"raw.csv: not a CSV text file"):
        read_csv_rows(path)


def test_missing_columns_are_named_once_with_those_there_are(path: Path) -> None:
    require_columns(path, ["smiles", "gap"], ["gap"])
    with pytest.raises(UserError, match=r"raw.csv: no column smiles, mu; the file has SMILES, gap$"):
        require_columns(path, ["SMILES", "gap"], ["smiles", "smiles", "gap", "mu"])


def test_rejects_are_rows_of_their_table() -> None:
    rejects = Rejects()
    rejects.add(RawRow(7, "ethane", "CC", {}), "graph", "odd", "what stood there")
    rejects.add(RawRow(8, "methane", "C", {}), "gap", "no number")
    assert rejects.rows == [(7, "ethane", "graph", "odd", "what stood there"), (8, "methane", "gap", "no number", "")]


def test_what_was_found_is_shown_as_text_and_cut_short() -> None:
    assert Unreadable("outside", 1.5).found == "1.5"
    assert Unreadable("not a number", "x" * 5000).found == "x" * 100


def test_a_reason_comes_whole_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(Unreadable("more than 20 sites", 33)))
    assert (error.reason, error.found) == ("more than 20 sites", "33")
