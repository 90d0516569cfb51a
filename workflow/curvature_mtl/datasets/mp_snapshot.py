"""mp_all_20181018: a table of crystals as matminer writes them: gzipped JSON, pandas' "split" orientation.

The object has the keys index, columns and data; crystals are dicts as pymatgen makes them. The rows are decoded
one by one, so that the file is never in memory as a whole.
"""

import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.labels import read_number
from curvature_mtl.datasets.raw import Cell, RawRow, Unreadable, require_columns
from curvature_mtl.errors import UserError

CHARACTERS_A_READ = 1 << 20
# What a small gzip file may unfold to, in characters: a value, such as a row, and all of it. A crystal of 300 sites, of
# which a row has two, takes some 100,000; the public file has 184 MB before it unfolds.
LARGEST_VALUE = 10_000_000
LARGEST_TEXT = 4_000_000_000
SPACE = re.compile(r"[\s,:]*")
K, G = "bulk modulus", "shear modulus"


def read_mp_snapshot(path: Path, entry: DatasetEntry) -> Iterator[RawRow]:
    """Read the snapshot row by row, with two columns more: the Poisson ratio, and the magnetization per atom.

    Raises:
        UserError: if the file is missing, no such JSON, or lacks a column.
    """
    try:
        columns = _columns(next(value for key, value in _members(path) if key == "columns"))
        made = {"poisson ratio": [K, G], "magnetization per atom": ["mu_b"]}
        needed = [name for column in entry.columns for name in made.get(column, [column])]
        require_columns(path, columns, ["mpid", "structure", *needed])
        rows = (value for key, value in _members(path) if key == "data")
        for number, values in enumerate(rows, start=1):
            if not isinstance(values, list):
                raise ValueError(f"row {number} is no list")
            if len(values) != len(columns):
                raise ValueError(f"row {number} has {len(values)} cells, expected {len(columns)}")
            yield _row(number, dict(zip(columns, values, strict=True)))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except StopIteration:
        raise UserError(f"{path}: no key `columns`; expected a table in pandas' split orientation") from None
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a gzipped JSON table in pandas' split orientation ({error})") from error


def _columns(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("`columns` is no list of names")
    return value


def _row(number: int, values: dict[str, Any]) -> RawRow:
    structure = values["structure"]
    nested = {name: type(value).__name__ for name, value in values.items() if isinstance(value, dict | list)}
    cells: dict[str, Cell] = values | nested  # no numbers, and they would be kept with the row
    cells["poisson ratio"] = _of_numbers(poisson_ratio, values.get(K), values.get(G))
    sites = structure.get("sites") if isinstance(structure, dict) else None
    objection = None
    if isinstance(sites, list) and sites:
        cells["magnetization per atom"] = _of_numbers(lambda moment: moment / len(sites), values.get("mu_b"))
    else:
        cells["magnetization per atom"] = None
        objection = Unreadable("no structure")
    return RawRow(number, str(values["mpid"]), json.dumps(structure), cells, objection)


def _of_numbers(formula: Callable[..., float], *cells: Any) -> Cell:
    """Return a formula of cells; NaN if one is missing, and a cell itself that is no number."""
    try:
        return formula(*map(read_number, cells))
    except Unreadable as error:
        _, cell = error.args
        return cell


def poisson_ratio(bulk: float, shear: float) -> float:
    """Return (3 K - 2 G) / (2 (3 K + G)), the Poisson ratio of an isotropic solid; NaN if it cannot be told."""
    if 3 * bulk + shear == 0:
        return math.nan
    return (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))


def _members(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each key of the top-level object with its value; for `data`, once a row."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        text, keys = _JsonText(file), set()
        text.expect("{")
        while not text.next_is("}"):
            key = text.value()
            if not isinstance(key, str) or key in keys:
                raise ValueError(f"the key {key!r} is no text, or stands there twice")
            keys.add(key)
            if key != "data":
                yield key, text.value()
                continue
            text.expect("[")
            while not text.next_is("]"):
                yield key, text.value()
        text.expect_end()  # the checksum stands there


class _JsonText:
    """JSON text that is read as far as it is needed. Commas and colons are skipped like space."""

    def __init__(self, file: TextIO):
        self._file, self._text, self._at, self._length = file, "", 0, 0
        self._decoder = json.JSONDecoder()

    def next_is(self, sign: str) -> bool:
        """Step over `sign` if it comes next."""
        if not self._skip_space():
            raise ValueError("the text ends too early")
        if self._text[self._at] != sign:
            return False
        self._at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.next_is(sign):
            raise ValueError(f"expected {sign!r}, found {self._text[self._at]!r}")

    def expect_end(self) -> None:
        if self._skip_space():
            raise ValueError(f"expected the end, found {self._text[self._at]!r}")

    def value(self) -> Any:
        """Return the next value; one that is not in the text as a whole needs more of it."""
        self._skip_space()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > LARGEST_VALUE:
                    raise ValueError(f"a value of more than {LARGEST_VALUE} characters") from None
                if not self._read_more():
                    raise
                continue
            if end == len(self._text) and self._read_more():
                continue  # what looks like a whole number may go on
            self._at = end
            return value

    def _skip_space(self) -> bool:
        """Go on to the next sign; return whether there is one."""
        while True:
            found = SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return True
            if not self._read_more():
                return False

    def _read_more(self) -> bool:
        """Read as much again as is waiting, so that a long value is not decoded from its start too often."""
        waiting = self._text[self._at :]
        more = self._file.read(max(CHARACTERS_A_READ, len(waiting)))
        self._length += len(more)
        if self._length > LARGEST_TEXT:
            raise ValueError(f"more than {LARGEST_TEXT} characters")
        if more:
            self._text, self._at = waiting + more, 0
        return bool(more)
