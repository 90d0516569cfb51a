"""The samples' raw files, as `commands/make_sample_molecules.py` and `make_sample_alloys.py` write them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.raw import RawRow, Unreadable, csv_row, read_csv_rows, require_columns


def read_sample_molecules(path: Path, entry: DatasetEntry) -> Iterator[RawRow]:
    """Read the labelled molecules; to those that could not be labelled there is an objection.

    Raises:
        UserError: if the file or a column is missing.
    """
    return _read_sample(path, entry, "smiles", "smiles")


def read_sample_alloys(path: Path, entry: DatasetEntry) -> Iterator[RawRow]:
    """Read the labelled alloys; to those that could not be labelled there is an objection.

    Raises:
        UserError: if the file or a column is missing.
    """
    return _read_sample(path, entry, "identifier", "structure")


def _read_sample(path: Path, entry: DatasetEntry, identifier: str, structure: str) -> Iterator[RawRow]:
    header, lines = read_csv_rows(path)
    require_columns(path, header, [identifier, structure, *entry.columns, "reject_reason"])
    for number, line in lines:
        row = csv_row(number, header, line, identifier, structure)
        if row.cells.get("reject_reason"):
            row = dataclasses.replace(row, objection=Unreadable(str(row.cells["reject_reason"])))
        yield row
