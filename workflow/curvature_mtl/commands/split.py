"""Split the graphs into train, validation and test."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import write_table
from curvature_mtl.graphs.splits import split_by_group
from curvature_mtl.parquet_files import read_parquet


def main(arguments: argparse.Namespace) -> None:
    """Write one row a graph: its row in the raw file, its identifier, its subset."""
    graphs = read_parquet(arguments.table, ["row", "identifier", arguments.group])
    subset = split_by_group(graphs[arguments.group], arguments.seed)
    write_table(arguments.output, graphs[["row", "identifier"]].assign(subset=subset))


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--table", required=True, type=Path, help="table with one row a graph")
    parser.add_argument("--group", required=True, help="column whose groups never straddle")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--output", required=True, type=Path)
    _run.run(main, parser.parse_args())
