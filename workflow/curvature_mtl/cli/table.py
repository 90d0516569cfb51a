"""`curvature-mtl table`: print a table."""

import argparse
import signal
from pathlib import Path

import pandas as pd

from curvature_mtl.cli.printed import printed
from curvature_mtl.datasets.entry import check_name
from curvature_mtl.errors import UserError
from curvature_mtl.parquet_files import read_parquet


def run(arguments: argparse.Namespace) -> None:
    """Print the wanted rows and columns."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no mistake
    table = read_table(arguments.file)
    known = list(table.columns)
    for condition in arguments.where:
        column, equals, value = condition.partition("=")
        if not equals:
            raise UserError(f"--where: {condition!r} is no condition; write COLUMN=VALUE")
        check_name("--where", column, known)
        table = table[table[column].astype(str) == value]
    for column in arguments.columns or []:
        check_name("--columns", column, known)
    print(printed(table[arguments.columns or known].head(arguments.rows or len(table))))


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or parquet file.

    Raises:
        UserError: if it cannot be read.
    """
    if path.suffix == ".parquet":
        return read_parquet(path)
    if path.suffix != ".csv":
        raise UserError(f"{path}: neither .csv nor .parquet; other files are no tables")
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise UserError(f"{path}: cannot be read as CSV ({error})") from error
