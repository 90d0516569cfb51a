"""Write the page of a run: the paper's text with figures, tables, claims, and the picture of the rules."""

import argparse
import json
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json, write_text
from curvature_mtl.reporting.page import links, page, read_sections, read_tables
from curvature_mtl.reporting.tables import data_note


def main(arguments: argparse.Namespace) -> None:
    """Write the HTML file."""
    folder = arguments.output.parent
    summaries = [read_json(path) for path in arguments.summaries]
    tables = read_tables(arguments.tables, folder, data_note(arguments.run, summaries))
    sections = read_sections(arguments.notebooks, arguments.labels, links(arguments.figures, folder))
    claims = read_json(arguments.claims)["verdicts"]
    text = page(arguments.template, arguments.run, summaries, sections, tables, claims, arguments.rules)
    write_text(arguments.output, text)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--template", required=True, type=Path, help="of the page, for Jinja")
    parser.add_argument("--notebooks", required=True, nargs="+", type=Path, help="executed, one a section, in order")
    parser.add_argument(
        "--labels", required=True, type=json.loads, help="of each notebook's figures, by its name, what they show"
    )
    parser.add_argument("--figures", required=True, nargs="+", type=Path, help="as PNG and PDF")
    parser.add_argument("--tables", required=True, nargs="+", type=Path, help="in every form")
    parser.add_argument("--claims", required=True, type=Path, help="the verdicts as JSON")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--rules", required=True, type=Path, help="picture of the rules (SVG)")
    parser.add_argument("--output", required=True, type=Path)
    _run.run(main, parser.parse_args())
