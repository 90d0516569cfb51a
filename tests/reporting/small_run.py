"""A made-up run with everything that its page shows: one section, two figures, four tables, claims of each kind."""

from argparse import Namespace
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from curvature_mtl.commands.page import main
from curvature_mtl.files import write_json, write_text
from curvature_mtl.reporting.claims_report import VERDICTS
from curvature_mtl.reporting.tables import data_note

ROOT = Path(__file__).parents[2]
LABELS = {"1_data": {"second": "What comes second", "first": "What comes first"}}
TEXT = "The tasks differ in $\\lambda_\\mathrm{max}$ by a factor of 2.4."
TABLE = (
    "<table><thead><tr><th></th><th>equal</th></tr></thead><tbody><tr><th>gap</th><td>0.32</td></tr></tbody></table>"
)
TITLE = "A sample of molecules"
STATEMENT = "At least one task loses."


def notebook(*sources: str, outputs: tuple[dict[str, str], ...] = ()) -> nbformat.NotebookNode:
    """Return an executed notebook: Markdown cells, then a cell of code with these outputs."""
    shown = [new_output("display_data", data) for data in outputs]
    return new_notebook(cells=[*map(new_markdown_cell, sources), new_code_cell("1 + 1", outputs=shown)])


def caption(name: str) -> dict[str, str]:
    """Return the output by which a notebook captions a figure."""
    return {"text/markdown": f"**Figure `{name}`.** Dots are tasks, $n$ = 12.", "text/plain": "Markdown"}


def executed() -> nbformat.NotebookNode:
    """Return the notebook of the one section."""
    return notebook(
        "# 1 Data\n\nWhat is learned?",
        "## The tasks",
        outputs=(caption("second"), {"text/markdown": TEXT}, {"text/html": TABLE}, caption("first")),
    )


def summary(is_sample: bool, title: str = TITLE) -> dict[str, object]:
    """Return a dataset's summary."""
    return {
        "dataset": "molecules",
        "title": title,
        "is_sample": is_sample,
        "n_graphs": 1000,
        "tasks": [{"name": "gap", "unit": "eV"}],
        "raw_sha256": "0123456789abcdef" * 4,
    }


def claim(verdict: str, statement: str = STATEMENT) -> dict[str, object]:
    """Return the record of a claim."""
    measured = {"holds": 1.5, "fails": -1.5, "undecided": 0.1, "not applicable": None}[verdict]
    return {
        "id": "some_task_loses",
        "statement": statement,
        "source": "this project",
        "dataset": "molecules",
        "split": "random",
        "is_sample": True,
        "verdict": verdict,
        "reason": "no such table in this run" if measured is None else "",
        "value": measured,
        "lower": None,
        "upper": None,
        "unit": "%",
        "n_seeds": 3,
        "claimed": "above 0",
    }


def table(n_rows: int, note: str, task: str = "gap") -> str:
    """Return a table as Markdown, as the tables of a run are."""
    rows = "".join(f"| {task}-{i} | {i / 7:.4g} |\n" for i in range(n_rows))
    return f"**Error of each task**\n\n| task | mae |\n|:-----|:----|\n{rows}\n{note}\n"


def make_page(
    folder: Path,
    is_sample: bool = True,
    title: str = TITLE,
    statement: str = STATEMENT,
    task: str = "gap",
    section: nbformat.NotebookNode | None = None,
) -> Path:
    """Write the run's files below `folder`, then its page, and return the page's path."""
    results, figures = folder / "results/r", folder / "figures/r"
    note = data_note("r", [summary(is_sample, title)])
    write_json(results / "molecules/dataset.json", summary(is_sample, title))
    write_json(results / "claims.json", {"verdicts": [claim(verdict, statement) for verdict in VERDICTS]})
    write_json(results / "provenance.json", {})
    for name, n_rows in (("accuracy", 21), ("rejects", 0), ("summary", 20)):
        write_text(results / f"tables/{name}.md", table(n_rows, note, task))
        write_text(results / f"tables/{name}.csv", "")
        write_text(results / f"tables/{name}.tex", "")
    write_text(results / "tables/ritz_values.parquet", "")
    figures.mkdir(parents=True)
    for name in LABELS["1_data"]:
        Image.new("RGB", (1400, 700), "white").save(figures / f"{name}.png")
        write_text(figures / f"{name}.pdf", "")
    (results / "notebooks").mkdir()
    nbformat.write(section or executed(), results / "notebooks/1_data.ipynb")
    main(
        Namespace(
            run="r",
            template=ROOT / "workflow/report/page.html.jinja",
            notebooks=[results / "notebooks/1_data.ipynb"],
            labels=LABELS,
            figures=sorted(figures.iterdir()),
            tables=sorted((results / "tables").iterdir()),
            claims=results / "claims.json",
            summaries=[results / "molecules/dataset.json"],
            rules=ROOT / "docs/images/dag.svg",
            output=results / "index.html",
        )
    )
    return results / "index.html"
