"""Where `curvature-mtl` begins."""

import importlib
import logging
import sys
from collections.abc import Sequence

from curvature_mtl.cli.arguments import argument_parser
from curvature_mtl.commands import _run
from curvature_mtl.interruption import stop_on_signals


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one subcommand; a user's mistake is one line and exit code 1, as with the workflow's commands."""
    stop_on_signals()
    parser = argument_parser()
    parsed = parser.parse_args(arguments)
    if not parsed.subcommand:
        parser.print_help()
        sys.exit(2)
    # Progress bars and the closing lines say enough on a terminal; a file that is asked for gets all.
    logging.disable(logging.NOTSET if parsed.log else logging.INFO)
    # Only here, so that --help does not wait for torch.
    subcommand = importlib.import_module(f"curvature_mtl.cli.{parsed.subcommand}")
    _run.run(subcommand.run, parsed)
