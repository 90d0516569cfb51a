"""What every command shares: a log file beside the terminal, and errors that speak to the user."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

from curvature_mtl.errors import UserError
from curvature_mtl.interruption import Stopped
from curvature_mtl.redact import RedactingFormatter


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return an argument parser with the option `--log` that every command has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--log", type=Path, help="file for the log; errors go to the terminal, too")
    return made


def run(main: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    """Call `main`; a `UserError` becomes one line and exit code 1, anything else a traceback in the log as well.

    A signal to stop becomes one line, too, and exit code 143 (SIGTERM) or 130 (SIGINT).
    """
    _log_to(arguments.log)
    try:
        main(arguments)
    except Stopped as stopped:
        logging.warning("%s", stopped)
        raise
    except UserError as error:
        logging.error("%s", error)
        sys.exit(1)
    except Exception:
        logging.exception("unexpected failure; please report it with this log")
        sys.exit(2)


IDENTITY = ["dataset", "split", "seed"]


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a table is about: dataset, split and seed."""
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--seed", required=True, type=int)


def identified(table: "pd.DataFrame", arguments: argparse.Namespace) -> "pd.DataFrame":
    """Return the table with the columns dataset, split and seed in front."""
    return table.assign(**{name: getattr(arguments, name) for name in IDENTITY})[[*IDENTITY, *table.columns]]


def use_one_thread() -> None:
    """Make torch's sums independent of the number of cores: they differ between 1 and 2 threads."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # It would also fill every new tensor before it is written: a check, for those who read what they did not write.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property


def _log_to(path: Path | None) -> None:
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING if path else logging.INFO)
    terminal.setFormatter(RedactingFormatter("%(levelname)s: %(message)s"))
    handlers: list[logging.Handler] = [terminal]
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
        handlers[-1].setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
