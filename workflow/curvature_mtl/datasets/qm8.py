"""QM8 as MoleculeNet distributes it: 16 property columns of which 12 are distinct."""

from pathlib import Path

from curvature_mtl.datasets.raw import RawTable, label_table, read_cells
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError

TASKS = [task.name for task in SOURCES["qm8"].tasks]
REPEATED = [task for task in TASKS if task.endswith("PBE0")]


def read_qm8(path: Path) -> RawTable:
    """Read the 12 distinct tasks of QM8.

    The file has the four PBE0 columns twice under the same names (DeepChem issue 2747). The second block
    is dropped; a row in which it does not repeat the first one is rejected.

    Raises:
        UserError: if the file or a column is missing.
    """
    header, lines = read_cells(path)
    blocks = [_two_columns(path, header, task) for task in REPEATED]

    def objection(line: list[str]) -> str:
        for first, second in blocks:
            if line[first] != line[second]:
                return f"{header[first]} is {line[first]!r} and, where the column repeats, {line[second]!r}"
        return ""

    return label_table(path, header, lines, "smiles", TASKS, objection)


def _two_columns(path: Path, header: list[str], task: str) -> tuple[int, int]:
    columns = [i for i, name in enumerate(header) if name == task]
    if len(columns) != 2:
        raise UserError(f"{path}: column {task} stands there {len(columns)} times, expected 2; is this QM8?")
    return columns[0], columns[1]
