"""A run as one page that a browser opens from disk: text and figures of the notebooks, tables, claims, the rules.

The page holds its text, style and the picture of the rules. Figures and tables are files beside it, at relative
paths: it can be passed on with the folders results/ and figures/. It loads nothing else, runs no script, and has no
times in it.
"""

import base64
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from markupsafe import Markup

from curvature_mtl.errors import UserError
from curvature_mtl.reporting.claims_report import VERDICTS, data_of, measured_of
from curvature_mtl.reporting.markup import html, inline_html, table_html
from curvature_mtl.reporting.table_captions import CAPTIONS
from curvature_mtl.reporting.tables import data_note

TITLE = re.compile(r"# (.+)\n*")
# As the notebooks caption what they draw.
CAPTION = re.compile(r"\*\*Figure `(?P<name>\w+)`\.\*\*\s*(?P<text>.*)", re.DOTALL)
# Rows up to which a table stands on the page itself.
SHORT = 20
MARKDOWN, HTML = "text/markdown", "text/html"
Links = dict[str, str]


@dataclass(frozen=True)
class Figure:
    """A figure in its place: number, name, what it shows in a line, caption, and path by ending (png, pdf)."""

    number: int
    name: str
    label: str
    caption: Markup
    links: Links


@dataclass(frozen=True)
class Table:
    """A table: name, caption, number of rows, path by ending, and its cells as HTML (of a short table)."""

    name: str
    caption: Markup
    n_rows: int
    links: Links
    body: Markup


@dataclass(frozen=True)
class Section:
    """A section of the paper: title, and its paragraphs, figures and tables in their order."""

    name: str
    title: str
    blocks: list[Markup | Figure]


def links(files: Sequence[Path], folder: Path) -> dict[str, Links]:
    """Return the path from `folder` of each file, by its name without ending and by its ending."""
    found: dict[str, Links] = {}
    for file in files:
        found.setdefault(file.stem, {})[file.suffix[1:]] = Path(os.path.relpath(file, folder)).as_posix()
    return found


def read_tables(files: Sequence[Path], folder: Path, note: str) -> list[Table]:
    """Return the tables in their order; a file that is not for reading, such as parquet, is only linked.

    Args:
        files: of the tables, in each form.
        folder: of the page.
        note: the line on run and data that ends every table, and is said once on the page.
    """
    markdown = {file.stem: file.read_text(encoding="utf-8") for file in files if file.suffix == ".md"}
    return [_table(name, markdown.get(name, ""), note, to) for name, to in links(files, folder).items()]


def _table(name: str, markdown: str, note: str, to: Links) -> Table:
    _, _, body = markdown.strip().removesuffix(note).partition("\n\n")
    lines, heads = (len(re.findall(start, body, re.MULTILINE)) for start in (r"^\|", r"^\|[:-]"))
    n_rows = lines - 2 * heads
    return Table(name, inline_html(CAPTIONS[name]), n_rows, to, html(body) if 0 < n_rows <= SHORT else Markup())


def read_sections(notebooks: Sequence[Path], labels: dict[str, dict[str, str]], to: dict[str, Links]) -> list[Section]:
    """Return the sections in the order of their notebooks; the figures of all are numbered.

    Args:
        notebooks: executed, each named after its section.
        labels: of each section, what each of its figures shows, by its name.
        to: paths of the figures from the page, by name and ending.

    Raises:
        UserError: if a notebook has no title, or its captions are not those of the section's figures.
    """
    numbers = itertools.count(1)
    return [_section(notebook, labels[notebook.stem], to, numbers) for notebook in notebooks]


def _section(notebook: Path, labels: dict[str, str], to: dict[str, Links], numbers: Iterator[int]) -> Section:
    (_, first), *rest = _parts(notebook)
    title = TITLE.match(first)
    if not title:
        raise UserError(f"{notebook}: its first cell has to begin with the section's title, as in `# 3 Spectra`")
    blocks: list[Markup | Figure] = []
    for kind, text in ((MARKDOWN, first[title.end() :]), *rest):
        caption = CAPTION.fullmatch(text)
        if caption and caption["name"] in labels:
            name = caption["name"]
            blocks.append(Figure(next(numbers), name, labels[name], html(caption["text"]), to[name]))
        else:
            blocks.append(html(text) if kind == MARKDOWN else table_html(text))
    if missing := sorted(labels.keys() - {block.name for block in blocks if isinstance(block, Figure)}):
        raise UserError(f"{notebook}: no caption of figure {', '.join(missing)}; make the notebook show it")
    return Section(notebook.stem, title[1], blocks)


def _parts(notebook: Path) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each Markdown cell, and of each output that is Markdown or a table, in their order."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            yield MARKDOWN, cell.source
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            yield from ((kind, data[kind]) for kind in (MARKDOWN, HTML) if kind in data)


def page(
    template: Path,
    run: str,
    summaries: list[dict[str, Any]],
    sections: list[Section],
    tables: list[Table],
    claims: list[dict[str, Any]],
    rules: Path,
) -> str:
    """Return the page as HTML.

    Args:
        template: of Jinja.
        run: name of the run.
        summaries: dataset.json of each dataset.
        sections: of `read_sections`.
        tables: of `read_tables`.
        claims: the verdicts as `claims_report.as_records` has them.
        rules: picture of the rules (SVG).
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        run=run,
        datasets=summaries,
        samples=[summary["dataset"] for summary in summaries if summary["is_sample"]],
        sections=sections,
        tables=tables,
        claims={verdict: [_claim(claim) for claim in claims if claim["verdict"] == verdict] for verdict in VERDICTS},
        note=data_note(run, summaries),
        rules=base64.b64encode(rules.read_bytes()).decode(),
    )


def _claim(claim: dict[str, Any]) -> dict[str, Any]:
    return claim | {"data": data_of(claim), "measured": measured_of(claim)}
