"""Join the public files of mp_2020 to one parquet file, and check its content."""

import argparse
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.datasets.mp_2020 import ENERGIES, assemble, verify
from curvature_mtl.datasets.registered_file import verify as verify_file
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.files import write_table


def main(arguments: argparse.Namespace) -> None:
    """Join, check, write."""
    registered = {Path(download.file).name: download for download in SOURCES["mp_2020"].downloads}
    for labels in [*arguments.energies, arguments.elasticity_warnings, arguments.elasticity]:
        verify_file(labels, registered[labels.name])
    energies = dict(zip(ENERGIES, arguments.energies, strict=True))
    table = assemble(arguments.archive, energies, arguments.elasticity_warnings, arguments.elasticity)
    verify(arguments.archive, table)
    write_table(arguments.output, table)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--archive", required=True, type=Path, help="tar.gz of the structures")
    parser.add_argument("--energies", required=True, nargs=3, type=Path, help=f"files of {', '.join(ENERGIES)}")
    parser.add_argument("--elasticity-warnings", required=True, type=Path, help="elastic properties of all")
    parser.add_argument("--elasticity", required=True, type=Path, help="those without a warning")
    parser.add_argument("--output", required=True, type=Path)
    _run.run(main, parser.parse_args())
