"""QM8 as MoleculeNet distributes it: 16 property columns of which 12 are distinct."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.raw import RawRow, Unreadable, csv_row, read_csv_rows, require_columns
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError

TASKS = [task.name for task in SOURCES["qm8"].tasks]
REPEATED = [task for task in TASKS if task.endswith("PBE0")]


def read_qm8(path: Path, entry: DatasetEntry) -> Iterator[RawRow]:
    """Read the 12 distinct tasks of QM8.

    The file has the four PBE0 columns twice under the same names (DeepChem issue 2747). The second block
    is dropped; a row in which it does not repeat the first one has an objection.

    Raises:
        UserError: if the file or a column is missing.
    """
    header, lines = read_csv_rows(path)
    require_columns(path, header, ["smiles", *(name for name in entry.columns if name not in REPEATED)])
    blocks = [_two_columns(path, header, task) for task in REPEATED]
    for number, line in lines:
        row = csv_row(number, header, line, "smiles", "smiles")
        if row.objection is None:
            row = dataclasses.replace(row, objection=_difference(header, line, blocks))
        yield row


def _difference(header: list[str], line: list[str], blocks: list[tuple[int, int]]) -> Unreadable | None:
    for first, second in blocks:
        if line[first] != line[second]:
            return Unreadable(f"the two columns {header[first]} differ", f"{line[first]} and {line[second]}")
    return None


def _two_columns(path: Path, header: list[str], task: str) -> tuple[int, int]:
    columns = [i for i, name in enumerate(header) if name == task]
    if len(columns) != 2:
        raise UserError(f"{path}: column {task} stands there {len(columns)} times, expected 2; is this QM8?")
    return columns[0], columns[1]
