"""Turn the raw file of a dataset into the graph store, with ids, rejects, a summary and one graph to draw."""

import argparse
import json
import logging
from pathlib import Path

import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.datasets.entry import DatasetEntry, dataset_entry
from curvature_mtl.datasets.raw import GRAPH, REJECT_COLUMNS
from curvature_mtl.datasets.readers import READERS, verify_raw
from curvature_mtl.errors import UserError
from curvature_mtl.files import sha256_of_file, write_json, write_table
from curvature_mtl.graphs.featurize import NoGraph, featurize
from curvature_mtl.graphs.featurizers import featurizer_of

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Read, featurize, write."""
    entry = dataset_entry(arguments.dataset, arguments.entry)
    if not arguments.unverified:
        verify_raw(arguments.raw, entry)
    rows = READERS[entry.source](arguments.raw, entry)
    try:
        made = featurize(rows, featurizer_of(entry), entry.tasks, arguments.processes)
    except NoGraph as error:
        raise UserError(f"{arguments.raw}: {error}") from error
    rejects = pd.DataFrame(sorted(made.rejects.rows), columns=REJECT_COLUMNS)
    log_rejects(arguments.raw, rejects, arguments.rejects)
    made.store.save(arguments.graphs)
    write_table(arguments.table, made.table)
    write_table(arguments.rejects, rejects)
    write_json(arguments.example, made.example)
    write_json(arguments.summary, summary(arguments, entry, len(made.store), rejects))


def log_rejects(raw: Path, rejects: pd.DataFrame, path: Path) -> None:
    """Say how much was left out, and in the log for which reasons."""
    for (dropped, reason), rows in rejects.groupby(["dropped", "reason"], sort=False):
        logger.info("%s: %d dropped, %s (first: row %d)", dropped, len(rows), reason, rows["row"].iloc[0])
    if len(rejects):
        n_graphs = int((rejects["dropped"] == GRAPH).sum())
        logger.warning("%s: %d rows and %d labels left out, see %s", raw, n_graphs, len(rejects) - n_graphs, path)


def summary(arguments: argparse.Namespace, entry: DatasetEntry, n_graphs: int, rejects: pd.DataFrame) -> dict:
    """Return what the dataset is, for tables and figures."""
    n_rejected = int((rejects["dropped"] == GRAPH).sum())
    return {
        "dataset": arguments.dataset,
        "source": entry.source,
        "kind": entry.kind,
        "title": entry.described.title,
        "is_sample": entry.described.is_sample,
        "licence": entry.described.licence,
        "citation": entry.described.citation,
        "raw_sha256": sha256_of_file(arguments.raw),
        "n_graphs": n_graphs,
        "n_rejected": n_rejected,
        "n_labels_dropped": len(rejects) - n_rejected,
        "tasks": [{"name": task.name, "unit": task.unit} for task in entry.tasks],
    }


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--entry", required=True, type=json.loads, help="the dataset's entry in the config, as JSON")
    parser.add_argument("--raw", required=True, type=Path, help="the source's file")
    parser.add_argument("--unverified", action="store_true", help="read a changed copy of a registered file")
    parser.add_argument("--processes", type=int, default=1, help="how many chunks of rows are featurized at a time")
    parser.add_argument("--graphs", required=True, type=Path, help="output: graph store (safetensors)")
    parser.add_argument("--table", required=True, type=Path, help="output: one row a graph: ids, groups, size, labels")
    parser.add_argument("--rejects", required=True, type=Path, help="output: what was left out, with the reason")
    parser.add_argument("--example", required=True, type=Path, help="output: one graph with positions, to be drawn")
    parser.add_argument("--summary", required=True, type=Path, help="output: what the dataset is, as JSON")
    _run.run(main, parser.parse_args())
