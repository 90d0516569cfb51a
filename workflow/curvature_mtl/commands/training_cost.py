"""Collect what each method cost to train: passes over the training graphs, curvature products, models, parameters."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json
from curvature_mtl.reporting.tables import data_note, write_csv_and_markdown
from curvature_mtl.reporting.training_cost import training_cost_table


def main(arguments: argparse.Namespace) -> None:
    """Write training_cost as CSV and Markdown."""
    table = training_cost_table([read_json(path) for path in arguments.trainings])
    caption = (
        "Forward-backward passes of a trunk over the training graphs, summed over all networks that a method trains, "
        "with what its weighting does besides; curvature products; models and parameters to deploy"
    )
    note = data_note(arguments.run, [read_json(path) for path in arguments.summaries])
    write_csv_and_markdown(arguments.output, table, caption, note)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--trainings", required=True, nargs="+", type=Path, help="summary of each training")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--output", required=True, type=Path, help="the table as CSV; Markdown goes beside it")
    _run.run(main, parser.parse_args())
