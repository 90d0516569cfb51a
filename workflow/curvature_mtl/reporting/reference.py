"""Regenerated tables against the committed reference, cell by cell."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from curvature_mtl.datasets.raw import csv_lines
from curvature_mtl.errors import UserError
from curvature_mtl.reporting.checked_yaml import load_checked

TRUTHS = {"True": "1", "False": "0"}


@dataclass(frozen=True)
class Tolerance:
    """A number may differ by absolute + relative * |reference|."""

    relative: float = 0.0
    absolute: float = 0.0

    def allows(self, reference: str, found: str) -> bool:
        """Return whether two cells agree: finite numbers within the tolerance (True is 1), anything else exactly."""
        if reference == found:
            return True
        try:
            expected, number = (float(TRUTHS.get(cell, cell)) for cell in (reference, found))
        except ValueError:
            return False
        if not (math.isfinite(expected) and math.isfinite(number)):
            return False
        return abs(number - expected) <= self.absolute + self.relative * abs(expected)

    def __str__(self) -> str:
        return f"{self.absolute:g} + {self.relative:g} * |reference|"


@dataclass(frozen=True)
class Tolerances:
    """The tolerance of each table and column, and the columns that tell a table's rows apart."""

    path: Path
    described: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> "Tolerances":
        """Read the file.

        Raises:
            UserError: naming the file and the key that is wrong.
        """
        return cls(path, load_checked(path, "reference_tolerances.schema.yaml"))

    def of(self, table: str, column: str) -> Tolerance:
        """Return the tolerance of a column of a table: its own, else the table's, else the default."""
        own = self._of_table(table)
        return Tolerance(**own.get("columns", {}).get(column, own.get("default", self.described["default"])))

    def keys(self, table: str, columns: Iterable[Any]) -> list[str]:
        """Return those of a table's columns that say which row it is."""
        known = [*self.described["keys"], *self._of_table(table).get("keys", [])]
        return [column for column in columns if column in known]

    def _of_table(self, table: str) -> Mapping[str, Any]:
        return self.described["tables"].get(table, {})


def compare_folders(reference: Path, tables: Path, tolerances: Tolerances) -> list[str]:
    """Return a line for everything in which the tables (CSV) of one folder differ from those of the reference.

    Raises:
        UserError: if there is no reference, or rows cannot be told apart by their keys.
    """
    names = sorted(path.name for path in reference.glob("*.csv"))
    if not names:
        raise UserError(
            f"no reference for this run: {reference} has no tables. "
            "Compare a run that has one, or commit the tables of a full run there"
        )
    found = sorted(path.name for path in tables.glob("*.csv"))
    lines = [f"{name}: missing table: the reference has it, {tables} has not" for name in names if name not in found]
    lines += [f"{name}: extra table: {reference} does not have it" for name in found if name not in names]
    for name in names:
        if name in found:
            lines += compare_tables(
                Path(name).stem, read_cells(reference / name), read_cells(tables / name), tolerances
            )
    return lines


def read_cells(path: Path) -> pd.DataFrame:
    """Return the cells of a table as the text that stands in the file.

    Raises:
        UserError: naming the file, if it is no such table.
    """
    header, *rows = list(csv_lines(path)) or [[]]
    if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows):
        raise UserError(f"{path}: no table: a column stands there twice, or a row is longer or shorter than the header")
    return pd.DataFrame(rows, columns=header, dtype=str)


def compare_tables(name: str, reference: pd.DataFrame, found: pd.DataFrame, tolerances: Tolerances) -> Iterator[str]:
    """Yield a line for each missing or extra column or row, and for each cell beyond its tolerance.

    Args:
        name: of the table, without ending.
        reference, found: cells as text.
        tolerances: with the keys by which rows are matched.

    Raises:
        UserError: if two rows of a table have the same keys.
    """
    file = f"{name}.csv"
    yield from (f"{file}: missing column {column}" for column in reference if column not in found)
    yield from (f"{file}: extra column {column}" for column in found if column not in reference)
    keys = tolerances.keys(name, reference)
    if keys != tolerances.keys(name, found):
        return  # A missing or extra key: rows cannot be matched.
    expected, regenerated = (_by_keys(table, keys, name, tolerances.path) for table in (reference, found))
    yield from (f"{file}: missing row {_named(keys, row)}" for row in expected if row not in regenerated)
    yield from (f"{file}: extra row {_named(keys, row)}" for row in regenerated if row not in expected)
    for row in expected:
        for column in expected[row] if row in regenerated else ():
            if column in found and column not in keys:
                tolerance = tolerances.of(name, column)
                old, new = expected[row][column], regenerated[row][column]
                if not tolerance.allows(old, new):
                    yield (
                        f"{file}: {_named(keys, row)}: {column}: reference {old or 'empty'}, found {new or 'empty'}, "
                        f"tolerance {tolerance}"
                    )


def _by_keys(table: pd.DataFrame, keys: list[str], name: str, path: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the rows of a table by the values of their keys."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row in table.to_dict("records"):
        key = tuple(row[column] for column in keys)
        if key in rows:
            where = f"name more columns under tables.{name}.keys"
            raise UserError(f"{path}: table {name} has several rows with {_named(keys, key) or 'no keys'}; {where}")
        rows[key] = {str(column): cell for column, cell in row.items()}
    return rows


def _named(keys: list[str], row: tuple[str, ...]) -> str:
    return ", ".join(f"{column} {cell}" for column, cell in zip(keys, row, strict=True))
