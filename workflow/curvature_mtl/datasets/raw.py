"""Rows of a raw file, as every reader gives them, and the table of what was left out of them."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curvature_mtl.errors import UserError

REJECT_COLUMNS = ["row", "identifier", "dropped", "reason", "found"]
GRAPH = "graph"
SHOWN_CHARACTERS = 100  # of what was found: it may be a whole CIF
Cell = str | float | None

csv.field_size_limit(100_000_000)  # a crystal of a thousand sites has more characters than Python's limit of 131,072


class Unreadable(ValueError):
    """A structure cannot become a graph, or a cell a label: the reason is the same for all rows of one cause."""

    def __init__(self, reason: str, found: object = ""):
        super().__init__(reason, found)
        self.reason, self.found = reason, str(found)[:SHOWN_CHARACTERS]


@dataclass(frozen=True)
class RawRow:
    """One row of a raw file.

    Attributes:
        row: its number in the file; the first data row is 1.
        identifier: what people call it: a SMILES, a material id.
        structure: SMILES, or a crystal as CIF, POSCAR or JSON.
        cells: what stands in the columns, by their names.
        objection: why the row is no good, as far as its source can tell; None for a good row.
        group_objections: the same for a group of its labels.
    """

    row: int
    identifier: str
    structure: str
    cells: Mapping[Any, Cell]
    objection: Unreadable | None = None
    group_objections: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Rejects:
    """What was left out: the row's number and identifier, `graph` or the task whose label was dropped, and why.

    Attributes:
        rows: (row, identifier, dropped, reason, found), as in `REJECT_COLUMNS`; `found` is what stood there.
    """

    rows: list[tuple[int, str, str, str, str]] = field(default_factory=list)

    def add(self, row: RawRow, dropped: str, reason: str, found: str = "") -> None:
        """Note a graph or a label that is left out."""
        self.rows.append((row.row, row.identifier, dropped, reason, found))


def read_csv_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Read a CSV file as text: its header, and its rows with their numbers; blank lines only count.

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
    return lines[0], ((number, line) for number, line in enumerate(lines[1:], start=1) if line)


def require_columns(path: Path, present: list[str], needed: list[str]) -> None:
    """Refuse a file that lacks columns.

    Raises:
        UserError: naming them, and those that the file has.
    """
    if missing := [name for name in dict.fromkeys(needed) if name not in present]:
        raise UserError(f"{path}: no column {', '.join(missing)}; the file has {', '.join(present)}")


def csv_row(number: int, header: list[str], line: list[str], identifier: str, structure: str) -> RawRow:
    """Make a row of text cells; one with another number of cells than the header has an objection.

    Args:
        number: of the row in the file.
        header: names of the columns.
        line: the cells.
        identifier: column of the identifier.
        structure: column of the SMILES or crystal.
    """
    cells = dict(zip(header, line, strict=False))
    objection = None
    if len(line) != len(header):
        objection = Unreadable(f"not {len(header)} cells, as the header has", len(line))
    return RawRow(number, cells.get(identifier, ""), cells.get(structure, ""), cells, objection)
