"""Collect per-task curvature, conflicts and Ritz values, and the rank correlation with the gain or loss under MTL."""

import argparse
import json
from pathlib import Path

import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.curvature.columns import CONFLICT_COLUMNS, EXTREMAL_COLUMNS, QUANTITY_COLUMNS, TASK_KEYS
from curvature_mtl.files import read_json, write_table
from curvature_mtl.parquet_files import read_parquet
from curvature_mtl.reporting.curvature_tables import curvature_against_transfer, rank_correlations
from curvature_mtl.reporting.outliers import outlier_table
from curvature_mtl.reporting.pair_transfer import pair_correlations, pair_transfer_table
from curvature_mtl.reporting.table_captions import CAPTIONS
from curvature_mtl.reporting.tables import data_note, write_table_files

KEYS = [key for key in TASK_KEYS if key != "epoch"]
MODEL_KEYS = [key for key in TASK_KEYS if key != "task"]
# What the table `curvature` leaves to `extremal_eigenvalues`: how good the spectrum's ends are.
QUALITY = [name for name in EXTREMAL_COLUMNS if name not in ("lambda_max", "lambda_min")]


def main(arguments: argparse.Namespace) -> None:
    """Write the curvature tables as CSV, Markdown and LaTeX, and the Ritz values as parquet."""
    note = data_note(arguments.run, [read_json(path) for path in arguments.summaries])
    curvature, ritz, quantities, conflict = (
        joined(paths) for paths in (arguments.curvature, arguments.ritz, arguments.quantities, arguments.conflict)
    )
    transfer = pd.read_csv(arguments.transfer)
    against_transfer = curvature_against_transfer(curvature, quantities, transfer)
    tables = {
        "curvature": curvature.drop(columns=QUALITY),
        "curvature_quantities": quantities[[*TASK_KEYS, *QUANTITY_COLUMNS]],
        "conflict": conflict[[*MODEL_KEYS, *CONFLICT_COLUMNS]],
        "extremal_eigenvalues": curvature[[*KEYS, *EXTREMAL_COLUMNS]],
        "outliers": outlier_table(ritz),
        "curvature_vs_transfer": against_transfer,
        "rank_correlation": rank_correlations(against_transfer),
        "subset_convergence": joined(arguments.convergence),
        "curvature_along_training": joined(arguments.along_training),
        "numerics": joined(arguments.numerics),
    }
    if arguments.pairs:
        tables["pair_transfer"] = pair_transfer_table(transfer, arguments.pairs)
        tables["pair_correlation"] = pair_correlations(tables["pair_transfer"], conflict)
    for name, table in tables.items():
        write_table_files(arguments.folder / f"{name}.csv", table, CAPTIONS[name], note)
    write_table(arguments.folder / "ritz_values.parquet", ritz)


def joined(paths: list[Path]) -> pd.DataFrame:
    """Return the tables as one. Those without rows, of networks of a single task, have no types of columns either."""
    tables = [read_parquet(path) for path in paths]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--curvature", required=True, nargs="+", type=Path, help="curvature of each model and part")
    parser.add_argument("--ritz", required=True, nargs="+", type=Path, help="Ritz values of each model and part")
    parser.add_argument("--quantities", required=True, nargs="+", type=Path, help="quantities of each model and part")
    parser.add_argument("--conflict", required=True, nargs="+", type=Path, help="conflicts of each model and part")
    parser.add_argument("--convergence", required=True, nargs="+", type=Path, help="subsets of each dataset")
    parser.add_argument("--along-training", required=True, nargs="+", type=Path, help="trainings of each dataset")
    parser.add_argument("--numerics", required=True, nargs="+", type=Path, help="checks of each dataset")
    parser.add_argument("--transfer", required=True, type=Path, help="the transfer table")
    parser.add_argument(
        "--pairs", type=json.loads, default={}, help="JSON of the pairs of tasks of each method for pairs"
    )
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--folder", required=True, type=Path, help="where the tables go")
    _run.run(main, parser.parse_args())
