"""A user's own table: CSV or parquet, with SMILES or crystals as CIF, POSCAR, JSON text or a nested column."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from curvature_mtl.datasets.entry import DatasetEntry, dataset_entry
from curvature_mtl.datasets.labels import read_labels
from curvature_mtl.datasets.raw import RawRow, Rejects
from curvature_mtl.datasets.user_table import read_user_table
from curvature_mtl.errors import UserError
from curvature_mtl.files import write_table
from curvature_mtl.graphs.read_crystal import read_crystal

BRASS = Structure(Lattice.cubic(2.95), ["Cu", "Zn"], [[0, 0, 0], [0.5, 0.5, 0.5]])
TEXTS = {
    "CIF": str(CifWriter(BRASS)),
    "POSCAR": Poscar(BRASS).get_str(),
    "JSON": json.dumps(BRASS.as_dict()),
}
ENDINGS = pytest.mark.parametrize("ending", ["csv", "parquet"])


def entry(*tasks: str, smiles: bool = False, **columns: str) -> DatasetEntry:
    """Return the entry of a table with the column `smiles` or `crystal`, and a column a task."""
    structure = {"smiles": "smiles"} if smiles else {"structure": "crystal"}
    described = {"title": "mine", "licence": "CC0", "citation": "me"}
    tasks_of_table = {task: {"unit": "eV"} for task in tasks or ("gap",)}
    table = {"file": "mine", "tasks": tasks_of_table, **structure, **columns, **described}
    return dataset_entry("mine", {"source": "table", "table": table})


def read(path: Path, table: pd.DataFrame, asked: DatasetEntry) -> list[RawRow]:
    write_table(path, table)
    return list(read_user_table(path, asked))


def labels(rows: list[RawRow], asked: DatasetEntry) -> list[list[float]]:
    """Return each row's labels, of which none may be rejected."""
    rejects = Rejects()
    made = [read_labels(row, asked.tasks, rejects) for row in rows]
    assert rejects.rows == []
    return made


@ENDINGS
def test_molecules_are_called_by_their_smiles(tmp_path: Path, ending: str) -> None:
    asked = entry("gap", "mu", smiles=True)
    table = pd.DataFrame({"mu": [1, 2], "smiles": ["CCO", "C"], "gap": [0.5, np.nan], "more": ["x", "y"]})
    rows = read(tmp_path / f"mine.{ending}", table, asked)
    assert [(row.row, row.identifier, row.structure, row.objection) for row in rows] == [
        (1, "CCO", "CCO", None),
        (2, "C", "C", None),
    ]
    np.testing.assert_equal(labels(rows, asked), [[0.5, 1], [np.nan, 2]])


@ENDINGS
def test_a_column_of_identifiers_gives_the_rows_their_names(tmp_path: Path, ending: str) -> None:
    asked = entry(smiles=True, identifier="number")
    table = pd.DataFrame({"number": [17, 18], "smiles": ["CCO", "C"], "gap": [1.0, 2.0]})
    assert [row.identifier for row in read(tmp_path / f"mine.{ending}", table, asked)] == ["17", "18"]


@ENDINGS
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_crystals_are_text_of_each_format(tmp_path: Path, ending: str, text: str) -> None:
    table = pd.DataFrame({"crystal": [text, text], "gap": [1.0, 2.0]})
    for row in read(tmp_path / f"mine.{ending}", table, entry()):
        crystal = read_crystal(row.structure)
        assert sorted(crystal.numbers.tolist()) == [29, 30]
        np.testing.assert_allclose(np.linalg.det(crystal.lattice), BRASS.volume, rtol=1e-5)


def nested(structure: Structure) -> dict[str, Any]:
    """Return pymatgen's dict without its empty parts, which parquet cannot hold."""
    described = structure.as_dict()
    sites = [{"species": site["species"], "abc": site["abc"]} for site in described["sites"]]
    return {"@class": "Structure", "charge": None, "lattice": described["lattice"], "sites": sites}


def test_a_nested_column_holds_crystals_as_pymatgen_s_dict(tmp_path: Path) -> None:
    larger = BRASS * (2, 1, 1)
    table = pd.DataFrame({"crystal": [nested(BRASS), nested(larger)], "name": ["a", "b"], "gap": [1.0, 2.0]})
    small, large = read(tmp_path / "mine.parquet", table, entry(identifier="name"))
    assert json.loads(small.structure)["lattice"]["matrix"] == BRASS.lattice.matrix.tolist()
    assert read_crystal(small.structure).numbers.tolist() == [29, 30]
    np.testing.assert_allclose(read_crystal(large.structure).fractional, larger.frac_coords)
    assert [small.identifier, large.identifier] == ["a", "b"]


@pytest.mark.parametrize("missing", [None, float("nan")], ids=repr)
def test_a_missing_structure_of_a_parquet_file_is_empty_text(tmp_path: Path, missing: object) -> None:
    for crystals in ([nested(BRASS), None], [TEXTS["CIF"], missing]):
        table = pd.DataFrame({"crystal": crystals, "gap": [1.0, 2.0]})
        _, row = read(tmp_path / "mine.parquet", table, entry())
        assert (row.structure, row.identifier) == ("", "row 2")


@pytest.mark.parametrize("dtype", ["float32", "float64", "object", "Float64"])
def test_missing_numbers_of_any_column_type_are_missing_labels(tmp_path: Path, dtype: str) -> None:
    table = pd.DataFrame({"crystal": ["", ""], "gap": pd.Series([1.5, None]).astype(dtype)})
    np.testing.assert_equal(labels(read(tmp_path / "mine.parquet", table, entry()), entry()), [[1.5], [np.nan]])


@pytest.mark.parametrize("dtype", ["int8", "Int64", "bool", "str"])
def test_numbers_may_stand_in_a_column_of_any_type(tmp_path: Path, dtype: str) -> None:
    table = pd.DataFrame({"crystal": [""], "gap": pd.Series([1]).astype(dtype)})
    assert labels(read(tmp_path / "mine.parquet", table, entry()), entry()) == [[1.0]]


def test_a_row_of_a_wrong_length_has_an_objection(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,gap\nC,1\nCC\n")
    good, bad = read_user_table(path, entry(smiles=True))
    assert good.objection is None
    assert bad.objection
    assert bad.objection.reason == "not 2 cells, as the header has"


@ENDINGS
@pytest.mark.parametrize("missing", ["smiles", "gap", "name"])
def test_a_missing_column_is_named(tmp_path: Path, ending: str, missing: str) -> None:
    path = tmp_path / f"mine.{ending}"
    table = pd.DataFrame({"smiles": ["C"], "gap": [1.0], "name": ["a"]}).drop(columns=missing)
    with pytest.raises(UserError) as caught:
        read(path, table, entry(smiles=True, identifier="name"))
    assert str(caught.value) == f"{path}: no column {missing}; the file has {', '.join(table.columns)}"


@ENDINGS
def test_an_empty_table_is_refused(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UserError, match=rf"^\S+mine.{ending}: no (data )?rows"):
        read(tmp_path / f"mine.{ending}", pd.DataFrame({"smiles": [], "gap": []}), entry(smiles=True))


@ENDINGS
def test_a_missing_file_is_named(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UserError, match=rf"mine.{ending}: no such file$"):
        list(read_user_table(tmp_path / f"mine.{ending}", entry()))


@pytest.mark.parametrize("name", ["mine.parquet", "mine.xlsx", "mine.tsv"])
def test_another_kind_of_file_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("smiles\tgap\nC\t1\n")
    with pytest.raises(
        UserError, match=rf"^\S+{name}: not a readable parquet file [^\n]*; a table is either .csv or parquet$"
    ):
        list(read_user_table(tmp_path / name, entry()))


@pytest.mark.parametrize("twice", ["smiles", "gap", "name"])
def test_a_column_that_stands_there_twice_is_refused_if_it_is_used(tmp_path: Path, twice: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"smiles,gap,name,more,more,{twice}\nC,1,a,x,y,2\n")
    with pytest.raises(UserError, match=rf"mine.csv: column {twice} stands there more than once; rename all but one$"):
        list(read_user_table(path, entry(smiles=True, identifier="name")))


def test_a_column_that_is_not_used_may_stand_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,gap,more,more\nC,1,x,y\n")
    assert len(list(read_user_table(path, entry(smiles=True)))) == 1
