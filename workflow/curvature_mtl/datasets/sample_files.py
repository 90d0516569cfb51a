"""The sample's raw file, as `commands/make_sample_molecules.py` writes it."""

from pathlib import Path

from curvature_mtl.datasets.raw import RawTable, label_table, read_cells
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError

TASKS = [task.name for task in SOURCES["sample_molecules"].tasks]


def read_sample_molecules(path: Path) -> RawTable:
    """Read the labelled sample; molecules that its maker could not label are rejected with its reason.

    Raises:
        UserError: if the file or a column is missing.
    """
    header, lines = read_cells(path)
    if "reject_reason" not in header:
        raise UserError(f"{path}: no column reject_reason; the file has {', '.join(header)}")
    reason_at = header.index("reject_reason")
    return label_table(path, header, lines, "smiles", TASKS, lambda line: line[reason_at])
