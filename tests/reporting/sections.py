"""A section's notebook, run in this process on small tables, and what came of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pandas as pd
from matplotlib.figure import Figure

from curvature_mtl.reporting import notebook_tools

ROOT = Path(__file__).parents[2]
PARQUET = ("training_curves", "ritz_values")


class Drawn:
    """The figures of a section by name, all that it said, its variables, and the folder of the figures' files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.figures: dict[str, Figure] = {}
        self.variables: dict[str, Any] = {}
        self.text = ""

    def said(self, start: str) -> str:
        """Return the one paragraph that begins so."""
        [found] = [line for line in self.text.splitlines() if line.startswith(start)]
        return found


def draw(
    section: str,
    figures: list[str],
    tables: dict[str, pd.DataFrame],
    folder: Path,
    datasets: list[dict[str, Any]],
    more: Sequence[str] = (),
) -> Drawn:
    """Run all cells of a section's notebook on the given tables.

    Args:
        section: name of the notebook.
        figures: that it draws.
        tables: by name; one called `graphs` is that of every dataset.
        folder: where tables and figures go.
        datasets: summaries, as in dataset.json.
        more: files besides the tables.
    """
    drawn = Drawn(folder / "figures")
    summaries = []
    for dataset in datasets:
        path = folder / dataset["dataset"] / "dataset.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"raw_sha256": "0" * 64, "is_sample": True, **dataset}))
        summaries.append(str(path))
    given = {
        "run": "test",
        "tables": [path for name, table in tables.items() for path in written(name, table, folder, datasets)] + [*more],
        "summaries": summaries,
        "captions": [str(ROOT / f"workflow/report/{name}.rst") for name in figures],
        "figures": [str(drawn.folder / f"{name}.{ending}") for name in figures for ending in ("pdf", "png")],
    }

    class Section(notebook_tools.Section):
        def show(self, name: str, figure: Figure, details: str) -> None:
            drawn.figures[name] = figure
            super().show(name, figure, details)

    def display(shown: Any) -> None:
        if isinstance(shown, notebook_tools.Markdown):
            drawn.text += shown.data + "\n"

    before = notebook_tools.display, notebook_tools.Section
    notebook_tools.display, notebook_tools.Section = display, Section
    try:
        with mpl.rc_context():
            run_cells(section, given, drawn.variables)
    finally:
        notebook_tools.display, notebook_tools.Section = before
    return drawn


def run_cells(section: str, given: dict[str, Any], variables: dict[str, Any]) -> None:
    cells = nbformat.read(ROOT / f"notebooks/{section}.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    exec(code[0], variables)
    assert set(given) <= set(variables)
    variables |= given
    for number, source in enumerate(code[1:], start=2):
        exec(compile(source, f"{section}.ipynb, code cell {number}", "exec"), variables)


def written(name: str, table: pd.DataFrame, folder: Path, datasets: list[dict[str, Any]]) -> list[str]:
    """Write a table as the workflow does, and return where it is."""
    if name == "graphs":
        paths = [folder / dataset["dataset"] / "graphs.parquet" for dataset in datasets]
    else:
        paths = [folder / f"{name}.{'parquet' if name in PARQUET else 'csv'}"]
    for path in paths:
        table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    return [str(path) for path in paths]
