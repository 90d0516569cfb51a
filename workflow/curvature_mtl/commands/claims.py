"""Check each claim of the study and of this project on the tables of a run."""

import argparse
from pathlib import Path

import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.files import read_json, write_json, write_text
from curvature_mtl.reporting.claims import verdicts
from curvature_mtl.reporting.claims_file import load_claims
from curvature_mtl.reporting.claims_report import as_records, markdown
from curvature_mtl.reporting.tables import data_note


def main(arguments: argparse.Namespace) -> None:
    """Write the verdicts as JSON and as Markdown."""
    summaries = [read_json(path) for path in arguments.summaries]
    tables = {path.stem: read_table(path) for path in arguments.tables}
    records = as_records(verdicts(load_claims(arguments.claims), tables, summaries))
    note = data_note(arguments.run, summaries)
    write_json(arguments.json, {"run": arguments.run, "note": note, "verdicts": records})
    write_text(arguments.markdown, markdown(records, note))


def read_table(path: Path) -> pd.DataFrame:
    """Return a table; an empty cell alone is a missing value, a task may be called NA."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--claims", required=True, type=Path, help="the claims, as workflow/claims.yaml has them")
    parser.add_argument("--tables", required=True, nargs="*", type=Path, help="tables of the run that claims need")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--json", required=True, type=Path, help="output for programs")
    parser.add_argument("--markdown", required=True, type=Path, help="output for people")
    _run.run(main, parser.parse_args())
