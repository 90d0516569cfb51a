"""Time our curvature products against PyHessian, curvlinops and a plain double backward."""

import argparse
from pathlib import Path

from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.benchmarks.table import benchmark
from curvature_mtl.commands import _run
from curvature_mtl.files import read_json
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.reporting.tables import data_note, write_table_files


def main(arguments: argparse.Namespace) -> None:
    """Measure, and write the table; each note ends with the data."""
    table = benchmark(GraphStore.load(arguments.graphs), BenchmarkSettings())
    data = data_note(arguments.run, [read_json(arguments.summary)])
    caption = "Curvature products: seconds of ours and of others, one thread"
    write_table_files(arguments.output, table.assign(note=table["note"] + f"; {data}"), caption, data)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--summary", required=True, type=Path, help="dataset.json of its dataset")
    parser.add_argument("--output", required=True, type=Path, help="output: .csv, and .md beside it")
    _run.run(main, parser.parse_args())
