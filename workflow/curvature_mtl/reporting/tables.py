"""Each table as CSV for programs, and as Markdown with its caption for people."""

from pathlib import Path
from typing import Any

import pandas as pd

from curvature_mtl.files import write_table, write_text


def data_note(run: str, summaries: list[dict[str, Any]]) -> str:
    """Return the line that says which run and which data a table or figure shows, and marks a sample as one."""
    shown = []
    for summary in summaries:
        mark = " (SAMPLE data, not the study's)" if summary["is_sample"] else ""
        shown.append(f"{summary['dataset']} {summary['raw_sha256'][:12]}{mark}")
    return f"run {run}: {'; '.join(shown)}"


def write_csv_and_markdown(path: Path, table: pd.DataFrame, caption: str, note: str) -> None:
    """Write `path` (.csv) and the same name with .md; numbers in Markdown are rounded to four digits."""
    write_table(path, table)
    rounded = table.map(lambda value: f"{value:.4g}" if isinstance(value, float) else value)
    body = rounded.to_markdown(index=False, disable_numparse=True)
    write_text(path.with_suffix(".md"), f"**{caption}**\n\n{body}\n\n{note}\n")
