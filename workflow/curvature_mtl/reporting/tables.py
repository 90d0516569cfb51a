"""Each table as CSV for programs, and as Markdown and LaTeX with its caption for people."""

from pathlib import Path
from typing import Any

import pandas as pd

from curvature_mtl.files import write_table, write_text
from curvature_mtl.reporting.latex import NEEDS, latex_table


def data_note(run: str, summaries: list[dict[str, Any]]) -> str:
    """Return the line that says which run and which data a table or figure shows, and marks a sample as one."""
    shown = []
    for summary in summaries:
        mark = " (SAMPLE data, not the study's)" if summary["is_sample"] else ""
        shown.append(f"{summary['dataset']} {summary['raw_sha256'][:12]}{mark}")
    return f"run {run}: {'; '.join(shown)}"


def write_table_files(
    path: Path, table: pd.DataFrame, caption: str, note: str, parts: list[tuple[str, pd.DataFrame]] | None = None
) -> None:
    """Write `path` (.csv), and for people the same name with .md and .tex, where numbers are rounded to four digits.

    Args:
        path: of the CSV file.
        table: all of it goes to the CSV file.
        caption: what the table shows, for people.
        note: which run and data it shows.
        parts: titles and tables of text that people read instead of `table`; `**text**` as a whole cell is bold.
    """
    write_table(path, table)
    shown = parts or [("", table.map(rounded))]
    bodies = [_titled(title, cells.to_markdown(index=False, disable_numparse=True)) for title, cells in shown]
    write_text(path.with_suffix(".md"), "\n\n".join([f"**{caption}**", *bodies, note]) + "\n")
    numbered = [f"tab:{path.stem}-{number}" for number in range(1, len(shown) + 1)]
    labels = numbered if parts else [f"tab:{path.stem}"]
    tables = [
        latex_table(cells.map(str), ". ".join(filter(None, (title, caption, note))) + ".", label)
        for (title, cells), label in zip(shown, labels, strict=True)
    ]
    write_text(path.with_suffix(".tex"), "\n".join([NEEDS, *tables]))


def rounded(value: Any) -> Any:
    """Return a cell as people read it: of a number with decimals, four digits."""
    return f"{value:.4g}" if isinstance(value, float) else value


def _titled(title: str, body: str) -> str:
    return f"### {title}\n\n{body}" if title else body
