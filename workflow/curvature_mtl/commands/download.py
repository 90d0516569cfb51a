"""Fetch a registered file from a mirror or its public address, and verify it."""

import argparse
import os
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.datasets.download import fetch
from curvature_mtl.datasets.registry import registered_downloads


def main(arguments: argparse.Namespace) -> None:
    """Fetch the file."""
    fetch(registered_downloads()[arguments.file], arguments.output, arguments.mirror)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--file", required=True, choices=list(registered_downloads()), help="its path below a mirror")
    mirror = os.environ.get("CURVATURE_MTL_MIRROR", "")
    parser.add_argument("--mirror", default=mirror, help="folder or URL prefix that is tried first")
    parser.add_argument("--output", required=True, type=Path)
    _run.run(main, parser.parse_args())
