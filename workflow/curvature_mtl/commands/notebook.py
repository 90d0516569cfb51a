"""Execute one notebook of the paper; it draws its figures and leaves a cleaned copy of itself."""

import argparse
import json
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.reporting.notebook_runner import run_notebook


def main(arguments: argparse.Namespace) -> None:
    """Execute the notebook."""
    run_notebook(arguments.notebook, arguments.parameters, arguments.trace, arguments.output)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--notebook", required=True, type=Path)
    parser.add_argument("--parameters", required=True, type=json.loads, help="values of the parameters cell as JSON")
    parser.add_argument("--trace", required=True, type=Path, help="the executed notebook, kept if it fails")
    parser.add_argument("--output", required=True, type=Path, help="the cleaned copy")
    _run.run(main, parser.parse_args())
