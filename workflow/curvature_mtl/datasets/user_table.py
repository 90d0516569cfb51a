"""A user's own table: CSV or parquet with a column of SMILES or crystals, and columns of properties."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.raw import RawRow, csv_row, read_csv_rows, require_columns
from curvature_mtl.datasets.registry import MOLECULE
from curvature_mtl.errors import UserError
from curvature_mtl.parquet_files import parquet_columns, parquet_rows


def read_user_table(path: Path, entry: DatasetEntry) -> Iterator[RawRow]:
    """Read the columns that the config names.

    Without a column of identifiers a molecule is called by its SMILES, and a crystal by its row.

    Raises:
        UserError: if the file is missing, empty, no CSV or parquet, or lacks a column.
    """
    assert entry.table is not None, "the entry of a table has its columns"
    structure = entry.table.structure
    identifier = entry.table.identifier or (structure if entry.kind == MOLECULE else "")
    for row in _rows(path, entry, identifier, structure):
        yield row if row.identifier else dataclasses.replace(row, identifier=f"row {row.row}")


def _rows(path: Path, entry: DatasetEntry, identifier: str, structure: str) -> Iterator[RawRow]:
    needed = list(dict.fromkeys(column for column in (identifier, structure, *entry.columns) if column))
    if path.suffix == ".csv":
        header, lines = read_csv_rows(path)
        require_columns(path, header, needed)
        yield from (csv_row(number, header, line, identifier, structure) for number, line in lines)
    else:
        require_columns(path, _columns_of_parquet(path), needed)
        number = 0
        for number, values in enumerate(parquet_rows(path, needed), start=1):
            yield RawRow(number, _as_text(values.get(identifier)), _as_text(values[structure]), values)
        if not number:
            raise UserError(f"{path}: no rows")


def _columns_of_parquet(path: Path) -> list[str]:
    try:
        return parquet_columns(path)
    except UserError as error:
        hint = "; a table is either .csv or parquet" if path.exists() else ""
        raise UserError(f"{error}{hint}") from error


def _as_text(value: Any) -> str:
    """Return a cell as text, empty for a missing one; a nested column holds a pymatgen dict."""
    if isinstance(value, dict):
        return json.dumps(value, default=str)
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
