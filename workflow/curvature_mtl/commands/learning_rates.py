"""Collect the validation errors of every method at several learning rates, and mark the best."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json
from curvature_mtl.reporting.learning_rates import learning_rate_table
from curvature_mtl.reporting.tables import data_note, write_table_files


def main(arguments: argparse.Namespace) -> None:
    """Write learning_rates as CSV, Markdown and LaTeX."""
    table = learning_rate_table([read_json(path) for path in arguments.trainings])
    caption = "Mean validation MAE of the standardised targets by learning rate; set the best rates in the config"
    note = data_note(arguments.run, [read_json(path) for path in arguments.summaries])
    write_table_files(arguments.output, table, caption, note)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--trainings", required=True, nargs="+", type=Path, help="summary of each training")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--output", required=True, type=Path, help="the table as CSV; Markdown and LaTeX go beside it")
    _run.run(main, parser.parse_args())
