"""Collect what each method cost to train, and how losses, errors and weights went along training."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json, write_table
from curvature_mtl.parquet_files import read_parquet
from curvature_mtl.reporting.table_captions import CAPTIONS
from curvature_mtl.reporting.tables import data_note, write_table_files
from curvature_mtl.reporting.training_cost import training_cost_table
from curvature_mtl.reporting.training_curves import training_curve_table


def main(arguments: argparse.Namespace) -> None:
    """Write training_cost as CSV, Markdown and LaTeX, and training_curves as parquet."""
    trainings = [read_json(path) for path in arguments.trainings]
    note = data_note(arguments.run, [read_json(path) for path in arguments.summaries])
    cost = training_cost_table(trainings)
    write_table_files(arguments.folder / "training_cost.csv", cost, CAPTIONS["training_cost"], note)
    histories = [read_parquet(path) for path in arguments.histories]
    write_table(arguments.folder / "training_curves.parquet", training_curve_table(trainings, histories))


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--trainings", required=True, nargs="+", type=Path, help="summary of each training")
    parser.add_argument("--histories", required=True, nargs="+", type=Path, help="history of each, in the same order")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--folder", required=True, type=Path, help="where the tables go")
    _run.run(main, parser.parse_args())
