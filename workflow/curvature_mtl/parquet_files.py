"""Tables on disk as parquet, read within limits: a file of some kilobytes may unfold to any number of bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from curvature_mtl.errors import UserError

MOST_ROWS = 100_000_000
# Bytes of a column within a row group, as the file states them, and so of a cell; bytes of cells held at a time.
LARGEST_COLUMN = 2_000_000_000
LARGEST_BATCH = 1_000_000_000
ROWS_A_BATCH = 256


def parquet_columns(path: Path) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        UserError: if it is no parquet file, or one of its parts is beyond the limits.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def read_parquet(path: Path, columns: Sequence[str] = (), only: Any = None) -> pd.DataFrame:
    """Read a file as a whole.

    Args:
        path: of the file.
        columns: that it must have; others are read, too.
        only: conditions on columns that the rows must fulfil, as `filters` of `pandas.read_parquet`.

    Raises:
        UserError: if it is no parquet file, lacks a column, or one of its parts is beyond the limits.
    """
    with _opened(path) as file:
        if missing := [name for name in columns if name not in file.schema_arrow.names]:
            raise UserError(f"{path}: no column {', '.join(missing)}; delete it and run again")
        table = pq.read_table(path, filters=only)
        table.validate(full=True)  # text that is no Unicode is noticed nowhere else
        return table.to_pandas()


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read some columns row by row: numbers, text, None for a missing cell, dicts and lists for nested columns.

    Raises:
        UserError: as `read_parquet`, also at a later row.
    """
    with _opened(path) as file:
        largest = max([1, *_column_sizes(file.metadata)])
        for batch in file.iter_batches(max(1, min(ROWS_A_BATCH, LARGEST_BATCH // largest)), columns=list(columns)):
            yield from batch.to_pylist()


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file within the limits; what is raised inside, whatever it is, becomes one line."""
    try:
        with pq.ParquetFile(path) as file:
            _check(path, file.metadata)
            yield file
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UserError:
        raise
    except Exception as error:  # pyarrow and pandas raise whatever comes
        raise UserError(f"{path}: not a readable parquet file ({error})") from error


def _check(path: Path, metadata: pq.FileMetaData) -> None:
    if metadata.num_rows > MOST_ROWS:
        raise UserError(f"{path}: more than {MOST_ROWS} rows; write a smaller file")
    if max(_column_sizes(metadata), default=0) > LARGEST_COLUMN:
        raise UserError(f"{path}: more than {LARGEST_COLUMN} bytes in a column; write it with smaller row groups")


def _column_sizes(metadata: pq.FileMetaData) -> Iterator[int]:
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        yield from (group.column(i).total_uncompressed_size for i in range(group.num_columns))
