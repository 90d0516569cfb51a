"""All that the notebooks import: tables in, the common style, figures out."""

from pathlib import Path
from typing import Any

import pandas as pd

from curvature_mtl.curvature.density import log_density, smoothed_density
from curvature_mtl.files import read_json
from curvature_mtl.reporting.curvature_tables import spearman
from curvature_mtl.reporting.small_panels import small_panels
from curvature_mtl.reporting.style import FULL_WIDTH, PALETTE, save_figure, use_style
from curvature_mtl.reporting.tables import data_note
from curvature_mtl.reporting.training_curves import shared_networks

__all__ = [
    "FULL_WIDTH",
    "PALETTE",
    "data_note",
    "log_density",
    "read_examples",
    "read_graph_tables",
    "read_summaries",
    "read_table",
    "save_figure",
    "shared_networks",
    "small_panels",
    "smoothed_density",
    "spearman",
    "use_style",
]


def read_table(tables: list[str], name: str) -> pd.DataFrame:
    """Return the table called `name` (as its file, without ending) among the given files."""
    [path] = [Path(path) for path in tables if Path(path).stem == name]
    return pd.read_csv(path, keep_default_na=False, na_values=[""]) if path.suffix == ".csv" else pd.read_parquet(path)


def read_graph_tables(tables: list[str], datasets: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return, for each dataset, its table with one row a graph."""
    paths = {Path(path).parent.name: path for path in tables if Path(path).name == "graphs.parquet"}
    return {dataset["dataset"]: pd.read_parquet(paths[dataset["dataset"]]) for dataset in datasets}


def read_examples(tables: list[str], datasets: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return, for each dataset, the graph to draw: symbols, positions [nodes, 3], edges, cell [3, 3] or None."""
    paths = {Path(path).parent.name: Path(path) for path in tables if Path(path).name == "example.json"}
    return {dataset["dataset"]: read_json(paths[dataset["dataset"]]) for dataset in datasets}


def read_summaries(paths: list[str]) -> list[dict[str, Any]]:
    """Return the summaries of the run's datasets."""
    return [read_json(Path(path)) for path in paths]
