"""Print the verdicts on a run's claims, in short."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json
from curvature_mtl.reporting.claims_report import short_table


def main(arguments: argparse.Namespace) -> None:
    """Print the table; claims that fail are findings, not errors."""
    claims = read_json(arguments.claims)
    print(f"\n{short_table(claims['verdicts'])}\n{claims['note']}")


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--claims", required=True, type=Path, help="the verdicts as JSON")
    _run.run(main, parser.parse_args())
