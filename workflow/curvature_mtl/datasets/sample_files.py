"""The sample's raw file, as `commands/make_sample_molecules.py` writes it."""

from pathlib import Path

from curvature_mtl.datasets.raw import RawTable, label_table, read_cells
from curvature_mtl.datasets.registry import SOURCES

TASKS = [task.name for task in SOURCES["sample_molecules"].tasks]


def read_sample_molecules(path: Path) -> RawTable:
    """Read the labelled sample; molecules that its maker could not label are rejected with its reason.

    Raises:
        UserError: if the file or a column is missing.
    """
    header, lines = read_cells(path)
    return label_table(path, header, lines, "smiles", TASKS, lambda line: line[header.index("reject_reason")])
