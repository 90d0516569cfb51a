"""Draw the graph of the workflow's rules, for `make dag`; standard input is what `snakemake --rulegraph` prints."""

import argparse
import re
import sys
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import write_text
from curvature_mtl.reporting.rule_graph import parse, picture

RULE = re.compile(r"^rule (\w+):", re.MULTILINE)


def main(arguments: argparse.Namespace) -> None:
    """Write the SVG file."""
    files = {rule: path.stem for path in arguments.rules for rule in RULE.findall(path.read_text(encoding="utf-8"))}
    write_text(arguments.output, picture(parse(sys.stdin.read()), files))


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--rules", required=True, nargs="+", type=Path, help="the files with the rules")
    parser.add_argument("--output", required=True, type=Path, help="the picture (SVG)")
    _run.run(main, parser.parse_args())
