"""Collect what each dataset is: its size, its tasks with units and spread, what was left out and why."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json
from curvature_mtl.parquet_files import read_parquet
from curvature_mtl.reporting.table_captions import CAPTIONS
from curvature_mtl.reporting.tables import data_note, write_table_files

DATASET_COLUMNS = ["dataset", "source", "kind", "is_sample", "n_graphs", "n_rejected", "n_labels_dropped"]
DATASET_COLUMNS += ["raw_sha256", "licence", "citation"]


def main(arguments: argparse.Namespace) -> None:
    """Write datasets, tasks and rejects as CSV, Markdown and LaTeX."""
    summaries = [read_json(path) for path in arguments.summaries]
    note = data_note(arguments.run, summaries)
    tasks = [task_rows(s, read_parquet(path)) for s, path in zip(summaries, arguments.graphs, strict=True)]
    rejects = [reject_counts(s, pd.read_csv(p)) for s, p in zip(summaries, arguments.rejects, strict=True)]
    datasets = pd.DataFrame(summaries)[DATASET_COLUMNS]
    for name, table in (("datasets", datasets), ("tasks", pd.concat(tasks)), ("rejects", pd.concat(rejects))):
        write_table_files(arguments.folder / f"{name}.csv", table, CAPTIONS[name], note)


def task_rows(summary: dict[str, Any], graphs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a task: dataset, task, unit, n_labelled, mean, std, min, max."""
    labels = graphs[[task["name"] for task in summary["tasks"]]]
    table = labels.agg(["count", "mean", "std", "min", "max"]).T.rename(columns={"count": "n_labelled"})
    table = table.astype({"n_labelled": int}).rename_axis("task").reset_index()
    table.insert(0, "dataset", summary["dataset"])
    table.insert(2, "unit", [task["unit"] for task in summary["tasks"]])
    return table


def reject_counts(summary: dict[str, Any], rejects: pd.DataFrame) -> pd.DataFrame:
    """Return how often what was left out for which reason: dataset, dropped, reason, n."""
    counted = rejects.groupby(["dropped", "reason"]).size().rename("n").reset_index()
    counted.insert(0, "dataset", summary["dataset"])
    return counted


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--graphs", required=True, nargs="+", type=Path, help="graphs.parquet of each dataset")
    parser.add_argument("--rejects", required=True, nargs="+", type=Path, help="rejects.csv of each dataset")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--folder", required=True, type=Path, help="where the tables go")
    _run.run(main, parser.parse_args())
