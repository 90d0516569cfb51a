"""All that the notebooks import: tables in, the common style, figures and sentences out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure

from curvature_mtl.curvature.density import log_density, smoothed_density
from curvature_mtl.files import read_json
from curvature_mtl.parquet_files import read_parquet
from curvature_mtl.reporting.axes import draw_task_matrix, matrix_numbers, plain_numbers, small_ticks, task_handles
from curvature_mtl.reporting.curvature_tables import spearman
from curvature_mtl.reporting.looks import COLOURS, model_colours, property_and_level, task_lines, task_markers
from curvature_mtl.reporting.small_panels import small_panels
from curvature_mtl.reporting.style import FULL_WIDTH, save_figure, use_style
from curvature_mtl.reporting.tables import data_note
from curvature_mtl.reporting.training_curves import shared_networks
from curvature_mtl.reporting.words import (
    comparison_text,
    count,
    counts,
    digits,
    excludes_zero,
    interval,
    listed,
    signed,
    verdict,
)

__all__ = [
    "COLOURS",
    "FULL_WIDTH",
    "Section",
    "comparison_text",
    "count",
    "counts",
    "digits",
    "draw_task_matrix",
    "excludes_zero",
    "interval",
    "listed",
    "log_density",
    "matrix_numbers",
    "model_colours",
    "of_first_split",
    "off_diagonal",
    "plain_numbers",
    "say",
    "shared_networks",
    "signed",
    "small_panels",
    "small_ticks",
    "smoothed_density",
    "spearman",
    "task_handles",
    "task_lines",
    "task_markers",
    "verdict",
    "within_a_property",
]


class Section:
    """A section of the paper: the run's data that it may read, and the figures that it shows.

    Args:
        run: name of the run.
        tables: files of the tables, and of the datasets' graphs and examples.
        summaries: dataset.json of each dataset.
        captions: text files, each named after its figure.
        figures: files to draw, each named after its figure.
    """

    def __init__(self, run: str, tables: list[str], summaries: list[str], captions: list[str], figures: list[str]):
        use_style()
        self.datasets: list[dict[str, Any]] = [read_json(Path(path)) for path in summaries]
        self._note = data_note(run, self.datasets)
        self._tables, self._captions, self._figures = (list(map(Path, paths)) for paths in (tables, captions, figures))

    def table(self, name: str) -> pd.DataFrame:
        """Return the table called `name` (as its file, without ending)."""
        [path] = [path for path in self._tables if path.stem == name]
        if path.suffix == ".csv":
            return pd.read_csv(path, keep_default_na=False, na_values=[""])
        return read_parquet(path)

    def graphs(self) -> dict[str, pd.DataFrame]:
        """Return, for each dataset, its table with one row a graph."""
        return {dataset: read_parquet(path) for dataset, path in self._of_datasets("graphs.parquet").items()}

    def examples(self) -> dict[str, dict[str, Any]]:
        """Return, for each dataset, the graph to draw: symbols, positions [nodes, 3], edges, cell [3, 3] or None."""
        return {dataset: read_json(path) for dataset, path in self._of_datasets("example.json").items()}

    def show(self, name: str, figure: Figure, details: str) -> None:
        """Save a figure and show it with its caption, followed by `details`: what was counted, and how often."""
        paths = [path for path in self._figures if path.stem == name]
        save_figure(figure, [str(path) for path in paths], self._note)
        [caption] = [path.read_text(encoding="utf-8") for path in self._captions if path.stem == name]
        [picture] = [path for path in paths if path.suffix == ".png"]
        display(Image(str(picture), width=700))
        say(f"**Figure `{name}`.** {' '.join(caption.split())} {details}")

    def _of_datasets(self, file: str) -> dict[str, Path]:
        paths = {path.parent.name: path for path in self._tables if path.name == file}
        return {dataset["dataset"]: paths[dataset["dataset"]] for dataset in self.datasets}


def say(text: str) -> None:
    """Show a paragraph of Markdown."""
    display(Markdown(text))


def of_first_split(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each dataset's first split, in the order of the config."""
    first = table.groupby("dataset", sort=False)["split"].first()
    return table[table["split"] == table["dataset"].map(first)]


def off_diagonal(matrix: pd.DataFrame) -> pd.Series:
    """Return the entries of a symmetric matrix for each pair of different names, once, by pair."""
    pairs = {
        (a, b): matrix.iloc[i, j] for i, a in enumerate(matrix.index) for j, b in enumerate(matrix.columns) if i < j
    }
    return pd.Series(pairs, dtype=float)


def within_a_property(pairs: pd.Index) -> np.ndarray:
    """Say of each pair of tasks whether both are one property, at two levels of theory."""
    return np.array([property_and_level(a)[0] == property_and_level(b)[0] for a, b in pairs], bool)
