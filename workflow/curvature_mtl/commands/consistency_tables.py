"""Write the tables of the study of physical consistency."""

import argparse
from pathlib import Path

import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.consistency.table import COLUMNS, consistency_table
from curvature_mtl.files import read_json, write_table
from curvature_mtl.parquet_files import read_parquet
from curvature_mtl.reporting.table_captions import CAPTIONS
from curvature_mtl.reporting.tables import data_note, write_table_files


def main(arguments: argparse.Namespace) -> None:
    """Write consistency and consistency_curvature as CSV, Markdown and LaTeX, and what the figures need as parquet."""
    note = data_note(arguments.run, [read_json(path) for path in arguments.summaries])
    samples, errors = (pd.concat(map(read_parquet, paths)) for paths in (arguments.samples, arguments.errors))
    tables = []
    for identity, own in samples.groupby(_run.IDENTITY, sort=False):
        same = (errors[_run.IDENTITY] == list(identity)).all(axis=1)
        found = consistency_table(own, errors[same])
        dataset, split, seed = identity
        tables.append(found.assign(dataset=str(dataset), split=str(split), seed=int(str(seed))))
    written = {
        "consistency": pd.concat(tables, ignore_index=True)[COLUMNS],
        "consistency_curvature": pd.concat(map(read_parquet, arguments.curvature), ignore_index=True),
    }
    for name, table in written.items():
        write_table_files(arguments.folder / f"{name}.csv", table, CAPTIONS[name], note)
    write_table(arguments.folder / "consistency_energies.parquet", errors.reset_index(drop=True))
    examples = pd.concat(map(read_parquet, arguments.examples), ignore_index=True)
    write_table(arguments.folder / "consistency_examples.parquet", examples)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--samples", required=True, nargs="+", type=Path, help="errors of structures, by seed")
    parser.add_argument("--errors", required=True, nargs="+", type=Path, help="errors of energies, by seed")
    parser.add_argument("--examples", required=True, nargs="+", type=Path, help="structures to be drawn")
    parser.add_argument("--curvature", required=True, nargs="+", type=Path, help="curvature of the losses")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--folder", required=True, type=Path, help="where the tables go")
    _run.run(main, parser.parse_args())
