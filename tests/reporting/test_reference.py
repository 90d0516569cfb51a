"""Regenerated tables against the reference: what differs is named, what is within tolerance passes."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.errors import UserError
from curvature_mtl.files import write_table
from curvature_mtl.reporting.reference import Tolerance, Tolerances, compare_folders, compare_tables, read_cells
from workflow.test_tiny_run import COLUMNS

COMMITTED = Path(__file__).parents[2] / "workflow" / "reference_tolerances.yaml"
DESCRIBED: dict[str, Any] = {
    "keys": ["task", "seed"],
    "default": {"relative": 0.01, "absolute": 0.1},
    "tables": {"accuracy": {"columns": {"mae": {"relative": 0.5}}}, "cost": {"default": {"absolute": 3}}},
}
LOOSE = Tolerances(Path("tolerances.yaml"), DESCRIBED)
ACCURACY = pd.DataFrame({"task": ["a", "a", "b"], "seed": [0, 1, 0], "mae": [1.0, 2.0, 4.0], "n_test": [100, 100, 7]})


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as it is read from a file: text alone."""
    return table.astype(object).map(lambda value: "" if pd.isna(value) else str(value))


def differences(found: pd.DataFrame, reference: pd.DataFrame = ACCURACY, name: str = "accuracy") -> list[str]:
    return list(compare_tables(name, cells(reference), cells(found), LOOSE))


def changed(row: int, column: str, value: Any) -> pd.DataFrame:
    table = ACCURACY.astype(object)
    table.loc[row, column] = value
    return table


def test_one_number_beyond_its_tolerance_is_named_with_file_row_and_column() -> None:
    assert differences(changed(1, "mae", 3.1)) == [
        "accuracy.csv: task a, seed 1: mae: reference 2.0, found 3.1, tolerance 0 + 0.5 * |reference|"
    ]
    assert differences(changed(2, "n_test", 8)) == [
        "accuracy.csv: task b, seed 0: n_test: reference 7, found 8, tolerance 0.1 + 0.01 * |reference|"
    ]


def test_within_its_tolerance_it_passes() -> None:
    assert differences(changed(1, "mae", 2.999)) == []
    assert differences(changed(1, "mae", 1.001)) == []
    assert differences(changed(0, "n_test", 101)) == []


@pytest.mark.parametrize(
    ("reference", "found", "agree"),
    [
        ("", "", True),
        ("1.0", "", False),
        ("", "1.0", False),
        ("nan", "0.0", False),
        ("inf", "inf", True),
        ("inf", "1.0", False),
        ("1.0", "inf", False),
        ("inf", "-inf", False),
        ("hartree", "hartree", True),
        ("hartree", "eV", False),
        ("hartree", "1.0", False),
        ("True", "False", False),
        ("-1.0", "-1.1", True),
        ("-1.0", "1.0", False),
        ("1e-3", "0.001", True),
    ],
)
def test_cells(reference: str, found: str, agree: bool) -> None:
    assert Tolerance(relative=0.2).allows(reference, found) == agree


def test_a_truth_may_change_where_one_is_allowed() -> None:
    assert Tolerance(absolute=1).allows("True", "False")


@given(
    reference=st.floats(-1e6, 1e6),
    relative=st.floats(0, 0.5),
    absolute=st.floats(0, 10),
    inside=st.floats(0, 0.99),
    sign=st.sampled_from([-1, 1]),
)
def test_the_tolerance_is_absolute_plus_relative(
    reference: float, relative: float, absolute: float, inside: float, sign: int
) -> None:
    tolerance, room = Tolerance(relative, absolute), absolute + relative * abs(reference)
    assert tolerance.allows(repr(reference), repr(reference + sign * inside * room))
    assert not tolerance.allows(repr(reference), repr(reference + sign * (1.01 * room + 1e-6)))


@given(data=st.data())
def test_whatever_one_cell_is_changed_it_alone_is_named(data: st.DataObject) -> None:
    n_tasks = data.draw(st.integers(1, 4))
    numbers = data.draw(st.lists(st.floats(-100, 100), min_size=2 * n_tasks, max_size=2 * n_tasks))
    keys = list(itertools.product([f"task{i}" for i in range(n_tasks)], [0, 1]))
    reference = pd.DataFrame(keys, columns=["task", "seed"]).assign(loss=numbers, other=numbers[::-1])
    row, column = data.draw(st.integers(0, len(keys) - 1)), data.draw(st.sampled_from(["loss", "other"]))
    found = reference.copy()
    found.loc[row, column] += data.draw(st.sampled_from([-1, 1])) * data.draw(st.floats(2, 1000))
    order = data.draw(st.permutations(range(len(keys))))
    [line] = differences(found.iloc[order], reference, "x")
    task, seed = keys[row]
    assert line.startswith(f"x.csv: task {task}, seed {seed}: {column}: reference ")
    assert differences(reference.iloc[order], reference, "x") == []


def test_missing_and_extra_rows_and_columns_are_named() -> None:
    assert differences(ACCURACY[:2]) == ["accuracy.csv: missing row task b, seed 0"]
    assert differences(ACCURACY, ACCURACY[:2]) == ["accuracy.csv: extra row task b, seed 0"]
    assert differences(ACCURACY.drop(columns="n_test")) == ["accuracy.csv: missing column n_test"]
    assert differences(ACCURACY.assign(more=1)) == ["accuracy.csv: extra column more"]
    # Without one of the keys rows cannot be matched.
    assert differences(ACCURACY.drop(columns="seed")) == ["accuracy.csv: missing column seed"]


def test_a_table_without_rows_agrees_with_itself_alone() -> None:
    assert differences(ACCURACY[:0], ACCURACY[:0]) == []
    assert len(differences(ACCURACY[:0])) == 3


def test_rows_that_their_keys_do_not_tell_apart_are_a_mistake_in_the_tolerances() -> None:
    with pytest.raises(
        UserError, match=r"tolerances.yaml: table x has several rows with task a; .* under tables.x.keys"
    ):
        differences(ACCURACY.drop(columns="seed"), ACCURACY.drop(columns="seed"), "x")


def write_folder(folder: Path, **tables: pd.DataFrame) -> Path:
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    return folder


def test_folders_with_missing_and_extra_tables(tmp_path: Path) -> None:
    cost = ACCURACY.rename(columns={"mae": "passes"})
    reference = write_folder(tmp_path / "reference", accuracy=ACCURACY, cost=cost)
    (reference / "README.md").write_text("not a table")
    found = write_folder(tmp_path / "tables", accuracy=changed(0, "mae", 9.0), more=ACCURACY)
    assert compare_folders(reference, found, LOOSE) == [
        f"cost.csv: missing table: the reference has it, {found} has not",
        f"more.csv: extra table: {reference} does not have it",
        "accuracy.csv: task a, seed 0: mae: reference 1.0, found 9.0, tolerance 0 + 0.5 * |reference|",
    ]
    found = write_folder(tmp_path / "same", accuracy=ACCURACY, cost=cost.assign(passes=cost["passes"] + 3))
    assert compare_folders(reference, found, LOOSE) == []


def test_without_a_reference_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no reference for this run: .*reference/tiny has no tables"):
        compare_folders(tmp_path / "reference/tiny", write_folder(tmp_path / "tables", accuracy=ACCURACY), LOOSE)


def test_a_missing_number_differs_from_a_number_and_not_from_another(tmp_path: Path) -> None:
    with_nan = ACCURACY.assign(mae=[1.0, np.nan, 4.0])
    reference = write_folder(tmp_path / "reference", accuracy=with_nan)
    assert compare_folders(reference, write_folder(tmp_path / "same", accuracy=with_nan), LOOSE) == []
    assert compare_folders(reference, write_folder(tmp_path / "other", accuracy=ACCURACY), LOOSE) == [
        "accuracy.csv: task a, seed 1: mae: reference empty, found 2.0, tolerance 0 + 0.5 * |reference|"
    ]


# The committed tolerances.


def promised(name: str) -> pd.DataFrame:
    """Return a table with the promised columns: two values of every key, and numbers."""
    columns = COLUMNS[name].split()
    keys = Tolerances.load(COMMITTED).keys(name, columns)
    table = pd.DataFrame(itertools.product(*[["0", "1"]] * len(keys)), columns=keys)
    return table.assign(**{column: "100.0" for column in columns if column not in keys})[columns]


@pytest.mark.parametrize("name", [name for name in COLUMNS if "dataset" in COLUMNS[name].split()])
def test_the_committed_tolerances_name_a_changed_number_of_every_table(tmp_path: Path, name: str) -> None:
    table = promised(name)
    tolerances = Tolerances.load(COMMITTED)
    keys = tolerances.keys(name, table)
    write_table(tmp_path / "table.csv", table)
    read = read_cells(tmp_path / "table.csv")
    assert list(compare_tables(name, read, read, tolerances)) == []
    for column in table.columns.difference(keys):
        found = read.copy()
        found.loc[len(found) - 1, column] = "100000.0"
        [line] = compare_tables(name, read, found, tolerances)
        assert line.startswith(f"{name}.csv: dataset 1, ")
        assert f": {column}: reference 100.0, found 100000.0" in line


def test_the_committed_tolerances_name_no_column_that_a_table_does_not_have() -> None:
    tables = yaml.safe_load(COMMITTED.read_text())["tables"]
    for name in set(tables) & set(COLUMNS):
        named = [*tables[name].get("keys", []), *tables[name].get("columns", {})]
        assert set(named) <= set(COLUMNS[name].split()), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["default"].update(relative="1e-3"), "default.relative: '1e-3' is not of type 'number'"),
        (lambda d: d.update(default={}), "default: {} should be non-empty"),
        (lambda d: d.pop("keys"), "the top level: 'keys' is a required property"),
        (lambda d: d["tables"]["cost"].update(column={}), "tables.cost: Additional properties are not allowed"),
    ],
)
def test_a_mistake_in_the_tolerances_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    described = yaml.safe_load(yaml.safe_dump(DESCRIBED))
    change(described)
    path = tmp_path / "tolerances.yaml"
    path.write_text(yaml.safe_dump(described))
    with pytest.raises(UserError) as caught:
        Tolerances.load(path)
    assert str(caught.value).startswith(f"{path}: {message}")
