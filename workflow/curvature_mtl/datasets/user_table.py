"""A user's own table: CSV or parquet with a column of SMILES or crystals, and columns of properties."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.raw import RawRow, csv_row, read_csv_rows, require_columns
from curvature_mtl.datasets.registry import MOLECULE
from curvature_mtl.errors import UserError


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
    needed = [column for column in (identifier, structure, *entry.columns) if column]
    if path.suffix == ".csv":
        header, lines = read_csv_rows(path)
        require_columns(path, header, needed)
        for column in needed:
            if header.count(column) > 1:
                raise UserError(f"{path}: column {column} stands there more than once; rename all but one")
        yield from (csv_row(number, header, line, identifier, structure) for number, line in lines)
    else:
        table = _read_parquet(path)
        require_columns(path, list(table.columns), needed)
        for number, values in enumerate(table.to_dict("records"), start=1):
            yield RawRow(number, _as_text(values.get(identifier)), _as_text(values[structure]), values)


def _as_text(value: Any) -> str:
    """Return a cell as text, empty for a missing one; a nested column holds a pymatgen dict."""
    if isinstance(value, dict):
        return json.dumps(value, default=lambda array: array.tolist())
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: neither .csv nor a readable parquet file ({error})") from error
    if not len(table):
        raise UserError(f"{path}: no rows")
    return table
