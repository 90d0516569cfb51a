"""The snapshot in matminer's format: decoded row by row, whatever its layout and wherever a read ends."""

import gzip
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from curvature_mtl.datasets import mp_snapshot
from curvature_mtl.datasets.entry import dataset_entry
from curvature_mtl.datasets.labels import read_labels
from curvature_mtl.datasets.mp_snapshot import poisson_ratio, read_mp_snapshot
from curvature_mtl.datasets.raw import RawRow, Rejects
from curvature_mtl.errors import UserError

ENTRY = dataset_entry("mine", {"source": "mp_all_20181018"})
COLUMNS = [
    *("mpid", "formula", "structure", "initial structure", "e_hull", "gap pbe", "mu_b"),
    *("elastic anisotropy", "bulk modulus", "shear modulus", "e_form"),
]
ROWS = 50


def structure(row: int) -> dict[str, Any]:
    """Return a crystal of 1 to 4 sites as pymatgen writes it."""
    sites = 1 + row % 4
    positions = [[i / sites, 0, 0] for i in range(sites)]
    return Structure(Lattice.orthorhombic(3 * sites, 3.5, 4), ["Cu"] * sites, positions).as_dict()


def snapshot() -> pd.DataFrame:
    """Return rows of which every third has elastic properties, and every second a magnetic moment of 3."""
    rows = []
    for i in range(ROWS):
        bulk, shear = (100.0 + i, 50.0) if i % 3 == 0 else (None, None)
        numbers = [0.01 * i, 0.5 * i, 3.0 * (i % 2), None, bulk, shear, -0.1 * i]
        rows.append([f"mp-{i}", f"Cu{1 + i % 4}", structure(i), structure(i), *numbers])
    return pd.DataFrame(rows, columns=COLUMNS)


def as_dict(table: pd.DataFrame) -> dict[str, Any]:
    """Return the table as matminer writes it."""
    return table.to_dict(orient="split")


def write(path: Path, content: dict[str, Any] | str) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode(), compresslevel=1))
    return path


def read(path: Path) -> list[RawRow]:
    return list(read_mp_snapshot(path, ENTRY))


def as_text(rows: list[RawRow]) -> list[str]:
    """Return what can be compared: one NaN does not equal another."""
    return [repr(row) for row in rows]


def error(path: Path, content: dict[str, Any] | str) -> str:
    with pytest.raises(UserError) as caught:
        read(write(path, content))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mp.json.gz"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[RawRow]:
    """Return the rows of the snapshot as it is."""
    return read(write(tmp_path_factory.mktemp("snapshot") / "mp.json.gz", as_dict(snapshot())))


def test_a_row_has_its_id_its_crystal_and_its_numbers(expected: list[RawRow]) -> None:
    assert [row.row for row in expected] == list(range(1, ROWS + 1))
    row = expected[9]
    assert (row.identifier, row.objection, row.group_objections) == ("mp-9", None, {})
    assert Structure.from_dict(json.loads(row.structure)) == Structure.from_dict(structure(9))
    assert (row.cells["e_form"], row.cells["gap pbe"], row.cells["formula"]) == (pytest.approx(-0.9), 4.5, "Cu2")


def test_rows_become_the_labels_of_the_registered_tasks(expected: list[RawRow]) -> None:
    rejects = Rejects()
    labels = np.array([read_labels(row, ENTRY.tasks, rejects) for row in expected])
    assert rejects.rows == []
    names = [task.name for task in ENTRY.tasks]
    log_k = labels[:, names.index("log_K")]
    np.testing.assert_allclose(log_k[::3], np.log10(100 + np.arange(0, ROWS, 3)))
    assert np.isfinite(log_k).sum() == len(range(0, ROWS, 3))
    assert np.isfinite(labels[:, names.index("formation_energy")]).all()


def test_magnetization_is_a_site_s_share_of_the_moment(expected: list[RawRow]) -> None:
    moments = [row.cells["magnetization per atom"] for row in expected[:8]]
    assert moments == pytest.approx([0, 3 / 2, 0, 3 / 4, 0, 3 / 2, 0, 3 / 4])


def test_the_poisson_ratio_is_made_of_both_moduli(expected: list[RawRow]) -> None:
    np.testing.assert_allclose(expected[0].cells["poisson ratio"], (300 - 100) / (2 * (300 + 50)))
    assert math.isnan(expected[1].cells["poisson ratio"])


@given(st.floats(0.1, 1000), st.floats(0.1, 1000))
def test_the_poisson_ratio_of_a_stable_solid_is_between_its_limits(bulk: float, shear: float) -> None:
    ratio = poisson_ratio(bulk, shear)
    assert -1 <= ratio <= 0.5
    # K = 2 G (1 + nu) / (3 (1 - 2 nu)) is how K follows from G and the ratio.
    assert 2 * shear * (1 + ratio) == pytest.approx(3 * bulk * (1 - 2 * ratio), rel=1e-6, abs=1e-6 * (bulk + shear))


@pytest.mark.parametrize(("bulk", "shear"), [(math.nan, 1.0), (1.0, math.nan), (1.0, -3.0), (0, 0)])
def test_a_poisson_ratio_that_cannot_be_told_is_missing(bulk: float, shear: float) -> None:
    assert math.isnan(poisson_ratio(bulk, shear))


@pytest.mark.parametrize("missing", ["NaN", "null"])
def test_a_bare_nan_and_null_are_both_missing_labels(path: Path, missing: str) -> None:
    text = json.dumps(as_dict(snapshot().iloc[:2].replace({np.nan: None}))).replace("null", missing)
    assert missing in text
    for row in read(write(path, text)):
        labels = dict(zip(ENTRY.tasks, read_labels(row, ENTRY.tasks, rejects := Rejects()), strict=True))
        assert rejects.rows == []
        assert sum(map(math.isnan, labels.values())) == (0 if row.row == 1 else 3)


@pytest.mark.parametrize("order", ["icd", "idc", "cid", "cdi", "dic", "dci"])
def test_the_keys_may_come_in_any_order(path: Path, expected: list[RawRow], order: str) -> None:
    content = as_dict(snapshot())
    keys = sorted(content, key=lambda key: order.index(key[0]))
    assert as_text(read(write(path, {key: content[key] for key in keys}))) == as_text(expected)


def test_further_keys_and_columns_and_any_space_do_no_harm(path: Path, expected: list[RawRow]) -> None:
    content = as_dict(snapshot().assign(more="x").iloc[:, ::-1])
    rows = read(write(path, json.dumps({"version": 12, **content, "note": {"data": []}}, indent=1)))
    assert [(row.identifier, row.structure) for row in rows] == [(row.identifier, row.structure) for row in expected]
    assert rows[0].cells["e_form"] == expected[0].cells["e_form"]


@pytest.mark.parametrize("characters", [1, 7, 97, 1009, 9973])
def test_rows_may_cross_the_ends_of_reads(
    path: Path, expected: list[RawRow], monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    monkeypatch.setattr(mp_snapshot, "CHARACTERS_A_READ", characters)
    rows = 2 if characters == 1 else ROWS
    assert as_text(read(write(path, as_dict(snapshot().iloc[:rows])))) == as_text(expected[:rows])


@pytest.mark.parametrize("characters", range(1, 12))
def test_a_number_that_crosses_the_end_of_a_read_is_one_number(
    path: Path, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    monkeypatch.setattr(mp_snapshot, "CHARACTERS_A_READ", characters)
    content = as_dict(snapshot().iloc[:1])
    assert len(read(write(path, {"version": 123456789, **content}))) == 1


@pytest.mark.parametrize("crystal", [None, {}, {"sites": []}, "Cu"])
def test_a_row_without_a_crystal_has_an_objection(path: Path, crystal: object) -> None:
    content = as_dict(snapshot().iloc[:2])
    content["data"][0][COLUMNS.index("structure")] = crystal
    bad, good = read(write(path, content))
    assert bad.objection
    assert (bad.identifier, bad.objection.reason) == ("mp-0", "no structure")
    assert bad.cells["magnetization per atom"] is None
    assert good.objection is None


def test_a_missing_moment_is_a_missing_magnetization(path: Path) -> None:
    content = as_dict(snapshot().iloc[:1])
    content["data"][0][COLUMNS.index("mu_b")] = None
    [row] = read(write(path, content))
    assert math.isnan(row.cells["magnetization per atom"])


def test_a_table_without_rows_gives_none(path: Path) -> None:
    assert read(write(path, as_dict(snapshot().iloc[:0]))) == []


@pytest.mark.parametrize("column", ["mpid", "structure", "e_form", "mu_b", "bulk modulus"])
def test_a_missing_column_is_named(path: Path, column: str) -> None:
    message = error(path, as_dict(snapshot().iloc[:1].drop(columns=column)))
    assert message.startswith(f"{path}: no column {column}; the file has ")


def test_columns_of_tasks_that_are_not_learned_may_be_missing(path: Path) -> None:
    entry = dataset_entry("mine", {"source": "mp_all_20181018", "tasks": ["band_gap"]})
    content = as_dict(snapshot().iloc[:1][["mpid", "structure", "gap pbe"]])
    [row] = read_mp_snapshot(write(path, content), entry)
    assert row.cells["gap pbe"] == 0
    assert math.isnan(row.cells["poisson ratio"])


@pytest.mark.parametrize("cells", [COLUMNS[1:], [*COLUMNS, "x"]], ids=["short", "long"])
def test_a_row_of_a_wrong_length_stops_the_reading(path: Path, cells: list[str]) -> None:
    content = as_dict(snapshot().iloc[:3])
    content["data"][1] = cells
    assert error(path, content).endswith(f"split orientation (row 2 has {len(cells)} cells, expected 11)")


NO_TABLE = "not a gzipped JSON table in pandas' split orientation ("


@pytest.mark.parametrize(
    "content",
    ["[]", "", "{", '{"columns": ["mpid"', "text", '{"columns": 3}', '{"columns": [1, tru]}'],
)
def test_other_json_is_one_line(path: Path, content: str) -> None:
    assert error(path, content).startswith(f"{path}: {NO_TABLE}")


@pytest.mark.parametrize("content", ["{}", '{"index": [0], "data": []}', '{"data": [[1, 2], [3, 4]]}'])
def test_a_table_without_the_names_of_its_columns_is_one_line(path: Path, content: str) -> None:
    assert error(path, content) == f"{path}: no key `columns`; expected a table in pandas' split orientation"


@pytest.mark.parametrize("rows", [["x"], [3], [None], [[[]]]], ids=repr)
def test_rows_that_are_none_are_one_line(path: Path, rows: list[object]) -> None:
    assert error(path, {"columns": COLUMNS, "data": rows}).startswith(f"{path}: {NO_TABLE}")


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(UserError, match=r"mp.json.gz: no such file$"):
        read(path)


def test_a_file_that_is_not_gzipped_is_one_line(path: Path) -> None:
    path.write_text(json.dumps(as_dict(snapshot().iloc[:1])))
    with pytest.raises(UserError, match=r"not a gzipped JSON table .*\(Not a gzipped file \(b'\{\"'\)\)$"):
        read(path)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_one_line_however_much_of_it_there_is(path: Path, kept: float) -> None:
    content = write(path, as_dict(snapshot())).read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match=r"^[^\n]*not a gzipped JSON table [^\n]*$"):
        read(path)


def test_text_that_ends_within_a_row_is_one_line(path: Path) -> None:
    text = json.dumps(as_dict(snapshot().iloc[:3]))
    assert error(path, text[: len(text) * 2 // 3]).startswith(f"{path}: {NO_TABLE}")


def test_damaged_compression_is_one_line(path: Path) -> None:
    content = bytearray(write(path, as_dict(snapshot())).read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"^[^\n]*not a gzipped JSON table [^\n]*$"):
        read(path)


def test_the_file_is_never_in_memory_as_a_whole(path: Path) -> None:
    rows = 3_000
    row = json.dumps(["mp-1", "Cu" * 5_000, structure(3), *[1.0] * 7])  # long text, for few objects are quick
    columns = json.dumps([name for name in COLUMNS if name != "initial structure"])
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(f'{{"index": {list(range(rows))}, "columns": {columns}, "data": [{row}')
        file.writelines(f", {row}" for _ in range(rows - 1))
        file.write("]}")
    assert rows * len(row) > 30_000_000
    tracemalloc.start()
    count = sum(1 for _ in read_mp_snapshot(path, ENTRY))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == rows
    assert peak < 8_000_000
