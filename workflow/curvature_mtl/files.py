"""Whole files or none: every output is written under a temporary name, then renamed."""

import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curvature_mtl.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

HOST = socket.gethostname().replace(".", "-")
TEMPORARY = re.compile(r"\..+\.(?P<host>[^.]+)\.(?P<pid>\d+)\.tmp")
# Seconds without a byte, after which a file of another machine is one that nobody will finish.
FORGOTTEN = 3600


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` only when the block succeeds.

    The bytes are on the disk before the rename (fsync), so that a power cut leaves no empty file under the final name:
    Snakemake may have marked the job as finished by then, and some file systems write names before contents.
    Temporary files in the folder whose process was killed are removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    temporary = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files that no process will finish; those of living ones stay, for jobs share folders."""
    for file in folder.glob(".*.tmp"):
        if named := TEMPORARY.fullmatch(file.name):
            with suppress(FileNotFoundError):  # finished in this moment
                is_old = time.time() - file.stat().st_mtime > FORGOTTEN
                was_killed = not _is_alive(int(named["pid"])) if named["host"] == HOST else is_old
                if was_killed:
                    file.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sha256_of_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with sorted keys, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: naming the file, if it is missing or no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); delete it and run again") from error


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table atomically as CSV or parquet, by the ending of `path`."""
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".csv":
            table.to_csv(temporary, index=False, lineterminator="\n")
        else:
            table.to_parquet(temporary, index=False)
