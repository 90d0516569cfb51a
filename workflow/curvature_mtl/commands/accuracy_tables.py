"""Collect accuracy, Delta_m, each task's gain or loss under MTL, and compare methods in pairs."""

import argparse
import json
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json
from curvature_mtl.reporting.accuracy import accuracy_table, delta_m_table, read_predictions, transfer_table
from curvature_mtl.reporting.comparison import Comparison, comparison_tables
from curvature_mtl.reporting.summary import summary_parts, summary_table
from curvature_mtl.reporting.table_captions import CAPTIONS
from curvature_mtl.reporting.tables import data_note, write_table_files


def main(arguments: argparse.Namespace) -> None:
    """Write accuracy, its summary, delta_m, transfer, gains and comparisons, each as CSV, Markdown and LaTeX."""
    summaries = [read_json(path) for path in arguments.summaries]
    units = {(s["dataset"], task["name"]): task["unit"] for s in summaries for task in s["tasks"]}
    predictions = read_predictions(arguments.predictions, units)
    accuracy = accuracy_table(predictions, units)
    transfer = transfer_table(accuracy)
    asked = [Comparison(**comparison) for comparison in json.loads(arguments.comparisons)]
    gains, comparisons = comparison_tables(predictions, asked)
    note = data_note(arguments.run, summaries)
    for name, table in (
        ("accuracy", accuracy),
        ("delta_m", delta_m_table(transfer)),
        ("transfer", transfer),
        ("gains", gains),
        ("comparisons", comparisons),
    ):
        write_table_files(arguments.folder / f"{name}.csv", table, CAPTIONS[name], note)
    summary = summary_table(accuracy)
    write_table_files(arguments.folder / "summary.csv", summary, CAPTIONS["summary"], note, summary_parts(summary))


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--predictions", required=True, nargs="+", type=Path)
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--comparisons", required=True, help="JSON list of {asks, method, against}")
    parser.add_argument("--folder", required=True, type=Path, help="where the tables go")
    _run.run(main, parser.parse_args())
