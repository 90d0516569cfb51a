"""From a raw file to a labelled table: what cannot be read goes to the rejects, with a reason."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from curvature_mtl.errors import UserError

REJECT_COLUMNS = ["row", "identifier", "reason"]


@dataclass
class Rejects:
    """Rows left out: their number in the file (the first data row is 1), identifier and reason."""

    rows: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, row: int, identifier: str, reason: str) -> None:
        """Note a row that is left out."""
        self.rows.append((row, identifier, reason))

    def table(self) -> pd.DataFrame:
        """Return the rejects in order of their rows."""
        return pd.DataFrame(sorted(self.rows), columns=REJECT_COLUMNS)


@dataclass(frozen=True)
class RawTable:
    """Readable rows: numbers in the file [n], identifiers [n], labels [n, tasks] with NaN for an empty cell."""

    rows: list[int]
    identifiers: list[str]
    labels: np.ndarray
    rejects: Rejects


def read_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a CSV file as text: its header and its data rows, unchecked.

    Raises:
        UserError: if the file is missing, empty, or no CSV text.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV text file ({error})") from error
    if not any(lines[1:]):
        raise UserError(f"{path}: no data rows below the header")
    return lines[0], lines[1:]


def label_table(
    path: Path,
    header: list[str],
    lines: list[list[str]],
    identifier: str,
    tasks: list[str],
    objection: Callable[[list[str]], str],
) -> RawTable:
    """Turn text cells into labels.

    A row with another number of cells than the header, with an objection, or with a cell that is no finite
    number, is rejected. An empty cell is a missing label.

    Args:
        path: named in errors.
        header: names of the columns.
        lines: text cells, one list a row.
        identifier: column of the SMILES, or other identifier.
        tasks: columns of the labels.
        objection: what the source's reader has against a row of the right length; empty for a good one.

    Raises:
        UserError: naming the columns that the file lacks.
    """
    missing = [name for name in [identifier, *tasks] if name not in header]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; the file has {', '.join(header)}")
    rejects = Rejects()
    rows, identifiers, labels = [], [], []
    identifier_at, task_at = header.index(identifier), [header.index(task) for task in tasks]
    for row, line in enumerate(lines, start=1):
        if not line:  # a blank line counts in the numbering alone
            continue
        name = line[identifier_at] if identifier_at < len(line) else ""
        try:
            if len(line) != len(header):
                raise ValueError(f"{len(line)} cells, the header has {len(header)}")
            if reason := objection(line):
                raise ValueError(reason)
            values = [_number(line[at], task) for at, task in zip(task_at, tasks, strict=True)]
        except ValueError as error:
            rejects.add(row, name, str(error))
            continue
        rows.append(row)
        identifiers.append(name)
        labels.append(values)
    return RawTable(rows, identifiers, np.array(labels, dtype=np.float64).reshape(-1, len(tasks)), rejects)


def _number(cell: str, task: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        if "_" in cell:  # Python reads 1_0 as ten
            raise ValueError
        value = float(cell)
    except ValueError:
        raise ValueError(f"{task} is {cell!r}, not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{task} is {cell!r}, not finite")
    return value
