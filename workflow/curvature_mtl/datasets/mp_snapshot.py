"""mp_all_20181018: a table of crystals as matminer writes them: gzipped JSON, pandas' "split" orientation.

The object has the keys index, columns and data; crystals are dicts as pymatgen makes them. The rows are decoded
one by one, so that the file is never in memory as a whole.
"""

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.raw import Cell, RawRow, Unreadable, require_columns
from curvature_mtl.errors import UserError

CHARACTERS_A_READ = 1 << 20
LARGEST_VALUE = 100_000_000  # characters; the largest row of the public file is far below
SPACE = re.compile(r"[\s,:]*")
K, G = "bulk modulus", "shear modulus"


def read_mp_snapshot(path: Path, entry: DatasetEntry) -> Iterator[RawRow]:
    """Read the snapshot row by row, with two columns more: the Poisson ratio, and the magnetization per atom.

    Raises:
        UserError: if the file is missing, no such JSON, or lacks a column.
    """
    try:
        columns = next(value for key, value in _members(path) if key == "columns")
        made = {"poisson ratio": [K, G], "magnetization per atom": ["mu_b"]}
        needed = [name for column in entry.columns for name in made.get(column, [column])]
        require_columns(path, columns, ["mpid", "structure", *needed])
        rows = (value for key, value in _members(path) if key == "data")
        for number, values in enumerate(rows, start=1):
            if len(values) != len(columns):
                raise ValueError(f"row {number} has {len(values)} cells, expected {len(columns)}")
            yield _row(number, dict(zip(columns, values, strict=True)))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except StopIteration:
        raise UserError(f"{path}: no key `columns`; expected a table in pandas' split orientation") from None
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise UserError(f"{path}: not a gzipped JSON table in pandas' split orientation ({error})") from error


def _row(number: int, values: dict[str, Any]) -> RawRow:
    structure = values["structure"]
    cells: dict[str, Cell] = {name: value for name, value in values.items() if not isinstance(value, dict | list)}
    cells["poisson ratio"] = poisson_ratio(values.get(K), values.get(G))
    objection = None
    if isinstance(structure, dict) and structure.get("sites"):
        moment = values.get("mu_b")
        cells["magnetization per atom"] = None if moment is None else moment / len(structure["sites"])
    else:
        cells["magnetization per atom"] = None
        objection = Unreadable("no structure")
    return RawRow(number, str(values["mpid"]), json.dumps(structure), cells, objection)


def poisson_ratio(bulk: float | None, shear: float | None) -> float:
    """Return (3 K - 2 G) / (2 (3 K + G)), the Poisson ratio of an isotropic solid; NaN if it cannot be told."""
    if bulk is None or shear is None or 3 * bulk + shear == 0:
        return math.nan
    return (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))


def _members(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each key of the top-level object with its value; for `data`, once a row."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        text = _JsonText(file)
        text.expect("{")
        while not text.next_is("}"):
            key = text.value()
            if key != "data":
                yield key, text.value()
                continue
            text.expect("[")
            while not text.next_is("]"):
                yield key, text.value()


class _JsonText:
    """JSON text that is read as far as it is needed. Commas and colons are skipped like space."""

    def __init__(self, file: TextIO):
        self._file, self._text, self._at = file, "", 0
        self._decoder = json.JSONDecoder()

    def next_is(self, sign: str) -> bool:
        """Step over `sign` if it comes next."""
        self._skip_space()
        if self._text[self._at] != sign:
            return False
        self._at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.next_is(sign):
            raise ValueError(f"expected {sign!r}, found {self._text[self._at]!r}")

    def value(self) -> Any:
        """Return the next value; one that is not in the text as a whole needs more of it."""
        self._skip_space()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > LARGEST_VALUE or not self._read_more():
                    raise
                continue
            if end == len(self._text) and self._read_more():
                continue  # what looks like a whole number may go on
            self._at = end
            return value

    def _skip_space(self) -> None:
        while True:
            found = SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return
            if not self._read_more():
                raise ValueError("the text ends too early")

    def _read_more(self) -> bool:
        more = self._file.read(CHARACTERS_A_READ)
        if more:
            self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)
