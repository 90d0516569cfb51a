"""Write config/README.md from the schema, for `make config-docs`."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.config import load_schema
from curvature_mtl.files import write_text
from curvature_mtl.reporting.config_page import config_page


def main(arguments: argparse.Namespace) -> None:
    """Write the page."""
    write_text(arguments.output, config_page(load_schema()))


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path, help="the page (Markdown)")
    _run.run(main, parser.parse_args())
