"""Rows of a raw file, as every reader gives them, and the table of what was left out of them."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from curvature_mtl.errors import UserError

REJECT_COLUMNS = ["row", "identifier", "dropped", "reason", "found"]
GRAPH = "graph"
SHOWN_CHARACTERS = 100  # of what was found: it may be a whole CIF
LONGEST_IDENTIFIER = 1000
Cell = str | float | None

# Characters of one row of a text file, also if it goes over several lines: a crystal of a thousand sites has 300,000 as
# JSON. A longer one would first have to be held in memory, however long it is.
LONGEST_ROW = 10_000_000
csv.field_size_limit(LONGEST_ROW)


class Unreadable(ValueError):
    """A structure cannot become a graph, or a cell a label: the reason is the same for all rows of one cause."""

    def __init__(self, reason: str, found: object = ""):
        super().__init__(reason, found)
        self.reason, self.found = reason, shown(str(found), SHOWN_CHARACTERS)


@dataclass(frozen=True)
class RawRow:
    """One row of a raw file.

    Attributes:
        row: its number in the file; the first data row is 1.
        identifier: what people call it: a SMILES, a material id; of a very long one the beginning.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "identifier", shown(self.identifier, LONGEST_IDENTIFIER))


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


def shown(text: str, longest: int) -> str:
    """Return the beginning of a text without what does not belong into a table: line ends, halves of characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:longest])


def read_csv_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Read a CSV file as text, row by row: its header, and its rows with their numbers; blank lines only count.

    Raises:
        UserError: if the file is missing, empty, or no CSV text, also at its end: a quote that is never closed;
            or if a row has more than LONGEST_ROW characters. The rows raise it, too.
    """
    lines = csv_lines(path)
    header = next(lines, [])
    rows = ((number, line) for number, line in enumerate(lines, start=1) if line)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}: no data rows below the header")
    return header, chain([first], rows)


def csv_lines(path: Path) -> Iterator[list[str]]:
    """Read the lines of a CSV file, the header like any other.

    Raises:
        UserError: if the file is missing or no CSV text, or a row has more than LONGEST_ROW characters.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            text = _BoundedText(file)
            lines = csv.reader(text, strict=True)
            for line in lines:
                text.length = 0
                yield line
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV text file ({error})") from error
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV text file (line {lines.line_num}: {error})") from error


class _BoundedText:
    """The lines of a text, but never more than LONGEST_ROW characters since `length` was set to 0."""

    def __init__(self, file: TextIO):
        self._file, self.length = file, 0

    def __iter__(self) -> "_BoundedText":
        return self

    def __next__(self) -> str:
        line = self._file.readline(LONGEST_ROW + 1 - self.length)
        self.length += len(line)
        if self.length > LONGEST_ROW:
            raise csv.Error(f"a row of more than {LONGEST_ROW} characters")
        if not line:
            raise StopIteration
        return line


def require_columns(path: Path, present: list[str], needed: list[str]) -> None:
    """Refuse a file that lacks columns, or has one of them more than once.

    Raises:
        UserError: naming them, and those that the file has.
    """
    if missing := [name for name in dict.fromkeys(needed) if name not in present]:
        raise UserError(f"{path}: no column {', '.join(missing)}; the file has {', '.join(present)}")
    for name in needed:
        if present.count(name) > 1:
            raise UserError(f"{path}: column {name} stands there more than once; rename all but one")


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
