"""Compare the tables of a run with the committed reference, cell by cell."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.errors import UserError
from curvature_mtl.reporting.reference import Tolerances, compare_folders


def main(arguments: argparse.Namespace) -> None:
    """Print a line for each difference beyond tolerance; any is an error."""
    differences = compare_folders(arguments.reference, arguments.tables, Tolerances.load(arguments.tolerances))
    for line in differences:
        print(line)
    if differences:
        raise UserError(
            f"{len(differences)} difference(s) beyond tolerance between {arguments.tables} and {arguments.reference}; "
            f"{arguments.tolerances} says how far tables may drift"
        )
    print(f"{arguments.tables} agrees with {arguments.reference} within the tolerances of {arguments.tolerances}.")


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--reference", required=True, type=Path, help="folder of the committed tables")
    parser.add_argument("--tables", required=True, type=Path, help="folder of the regenerated tables")
    parser.add_argument("--tolerances", required=True, type=Path, help="as workflow/reference_tolerances.yaml")
    _run.run(main, parser.parse_args())
