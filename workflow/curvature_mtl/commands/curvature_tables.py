"""Collect per-task curvature, conflicts and Ritz values, and the rank correlation with the gain or loss under MTL."""

import argparse
from pathlib import Path

import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.curvature.columns import CONFLICT_COLUMNS, EXTREMAL_COLUMNS, QUANTITY_COLUMNS, TASK_KEYS
from curvature_mtl.files import read_json, write_table
from curvature_mtl.reporting.curvature_tables import curvature_against_transfer, rank_correlations
from curvature_mtl.reporting.tables import data_note, write_csv_and_markdown

KEYS = [key for key in TASK_KEYS if key != "epoch"]
MODEL_KEYS = [key for key in TASK_KEYS if key != "task"]
RESIDUALS = [name for name in EXTREMAL_COLUMNS if name.endswith("_residual")]


def main(arguments: argparse.Namespace) -> None:
    """Write the curvature tables as CSV and Markdown, and the Ritz values as parquet."""
    summaries = [read_json(path) for path in arguments.summaries]
    note = data_note(arguments.run, summaries)
    measured = pd.concat([pd.read_parquet(path) for path in arguments.curvature], ignore_index=True)
    quantities = pd.concat([pd.read_parquet(path) for path in arguments.quantities], ignore_index=True)
    conflicts = [pd.read_parquet(path) for path in arguments.conflict]
    # Tables of single-task networks have no rows, and no types of columns either.
    conflict = pd.concat([table for table in conflicts if len(table)] or conflicts, ignore_index=True)
    joined = curvature_against_transfer(measured, quantities, pd.read_csv(arguments.transfer))
    for name, table, caption in (
        ("curvature", measured.drop(columns=RESIDUALS), "Hessian of each task's mean squared error in the trunk"),
        (
            "curvature_quantities",
            quantities[[*TASK_KEYS, *QUANTITY_COLUMNS]],
            "More on each task's curvature: traces of blocks, Gauss-Newton trace, gradient noise, with errors",
        ),
        (
            "conflict",
            conflict[[*MODEL_KEYS, *CONFLICT_COLUMNS]],
            "Between tasks of one network: overlaps of Hessians and of gradients",
        ),
        (
            "extremal_eigenvalues",
            measured[[*KEYS, *EXTREMAL_COLUMNS]],
            "Extremal Ritz values with their residual norms",
        ),
        ("curvature_vs_transfer", joined, "Curvature of each task and its change of MAE under MTL, means over seeds"),
        ("rank_correlation", rank_correlations(joined), "Rank correlation over tasks of curvature and change of MAE"),
    ):
        write_csv_and_markdown(arguments.folder / f"{name}.csv", table, caption, note)
    ritz = pd.concat([pd.read_parquet(path) for path in arguments.ritz], ignore_index=True)
    write_table(arguments.folder / "ritz_values.parquet", ritz)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--curvature", required=True, nargs="+", type=Path, help="curvature of each model and part")
    parser.add_argument("--ritz", required=True, nargs="+", type=Path, help="Ritz values of each model and part")
    parser.add_argument("--quantities", required=True, nargs="+", type=Path, help="quantities of each model and part")
    parser.add_argument("--conflict", required=True, nargs="+", type=Path, help="conflicts of each model and part")
    parser.add_argument("--transfer", required=True, type=Path, help="the transfer table")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--folder", required=True, type=Path, help="where the tables go")
    _run.run(main, parser.parse_args())
