"""Markdown to HTML for the page: raw HTML is shown as text, pictures are left out, formulas need no script."""

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any

import mistune
from markupsafe import Markup, escape

NUMBER = re.compile(r"[+−-]?\d[\d,.]*(e[+-]?\d+)?( ± [\d,.e+-]+)?|–")
# Letters up to which a cell's text is not broken into lines.
SHORT = 30
FORMULA_PART = re.compile(r"\\[A-Za-z]+|.", re.DOTALL)
UPRIGHT = (r"\mathrm", r"\operatorname", r"\text")
SYMBOLS = {
    r"\Delta": "Δ",
    r"\alpha": "α",
    r"\approx": "≈",
    r"\cdot": "·",
    r"\ge": "≥",
    r"\lambda": "λ",
    r"\le": "≤",
    r"\mu": "μ",
    r"\pm": "±",
    r"\rho": "ρ",
    r"\sigma": "σ",
    r"\sum": "∑",
    r"\theta": "θ",
    r"\times": "×",
    "-": "−",
}


def html(markdown: str) -> Markup:
    """Return Markdown as HTML that a page may hold as it is."""
    return Markup(_convert(markdown))


def inline_html(markdown: str) -> Markup:
    """Return a sentence in Markdown as HTML that may stand in a paragraph."""
    return html(markdown).strip().removeprefix("<p>").removesuffix("</p>")


def table_html(source: str) -> Markup:
    """Return the table of a notebook's HTML output: its rows, cells and text, and nothing else; none if it is empty.

    Row numbers, which pandas writes in a column without a name, are left out.
    """
    reader = _TableReader()
    reader.feed(source)
    reader.close()
    if not reader.body:
        return Markup()
    is_numbered = len(reader.head) == 1 and reader.head[0][0] == _cell("th", Markup())
    head, body = ([row[is_numbered:] for row in rows] for rows in (reader.head, reader.body))
    return Markup('<div class="scroll" tabindex="0">\n<table>\n{}{}</table>\n</div>\n').format(
        _rows("thead", head), _rows("tbody", body)
    )


def formula(tex: str) -> Markup:
    r"""Return a short formula, such as `\lambda_\mathrm{max}`, as HTML; one that is not understood stands as it is.

    Understood are letters, numbers, SYMBOLS, upright words, braces, subscripts and superscripts.
    """
    try:
        return Markup('<span class="formula">{}</span>').format(_until_brace(iter(FORMULA_PART.findall(tex))))
    except KeyError:
        return Markup("<code>{}</code>").format(tex)


def _until_brace(parts: Iterator[str]) -> Markup:
    """Typeset what comes before the next closing brace, or all; raise KeyError at an unknown command."""
    typeset = Markup()
    for part in parts:
        if part == "}":
            break
        tag = {"_": "sub", "^": "sup"}.get(part)
        if tag:
            typeset += Markup(f"<{tag}>{{}}</{tag}>").format(_one(next(parts, ""), parts))
        else:
            typeset += _one(part, parts)
    return typeset


def _one(part: str, parts: Iterator[str]) -> Markup:
    if part == "{":
        return _until_brace(parts)
    if part in UPRIGHT:
        return escape(_one(next(parts, ""), parts).striptags())
    if part.isalpha():
        return Markup("<i>{}</i>").format(part)
    return escape(SYMBOLS[part] if part.startswith("\\") else SYMBOLS.get(part, part))


class _TableReader(HTMLParser):
    """Collects the cells of a table's rows, with no attribute but the number of rows and columns that a cell spans."""

    def __init__(self) -> None:
        super().__init__()
        self.head: list[list[Markup]] = []
        self.body: list[list[Markup]] = []
        self._rows = self.body
        self._spans: list[tuple[str, str]] = []
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("thead", "tbody"):
            self._rows = self.head if tag == "thead" else self.body
        if tag == "tr":
            self._rows.append([])
        if tag in ("th", "td"):
            self._spans = [(name, value) for name, value in attributes if name in ("rowspan", "colspan") and value]
            self._text = []

    def handle_data(self, text: str) -> None:
        self._text.append(text)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self._rows:
            text = "".join(self._text)
            self._rows[-1].append(_cell(tag, escape("–" if text == "NaN" else text), self._spans))


def _rows(part: str, rows: list[list[Markup]]) -> Markup:
    lines = Markup().join(Markup("<tr>{}</tr>\n").format(Markup().join(cells)) for cells in rows)
    return Markup("<{0}>\n{1}</{0}>\n").format(part, lines)


def _cell(tag: str, content: Markup, attributes: Sequence[tuple[str, str]] = ()) -> Markup:
    text = content.striptags()
    kind = "number" if NUMBER.fullmatch(text) else "short" if len(text) <= SHORT else ""
    shown = [*attributes, *([("class", kind)] if tag == "td" and kind else [])]
    return Markup("<{0}{1}>{2}</{0}>").format(tag, Markup().join(Markup(' {}="{}"').format(*a) for a in shown), content)


class _PageRenderer(mistune.HTMLRenderer):
    """Headings one level down, below the title of the page; each table in a box in which it can be scrolled."""

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return super().heading(text, min(level + 1, 6))

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return text

    def inline_math(self, text: str) -> str:
        return str(formula(text))

    def block_math(self, text: str) -> str:
        return f"<p>{formula(text.strip())}</p>\n"

    def table(self, text: str) -> str:
        return f'<div class="scroll" tabindex="0">\n<table>\n{text}</table>\n</div>\n'

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        return f"{_cell('th' if head else 'td', Markup(text))}\n"


_convert = mistune.create_markdown(renderer=_PageRenderer(escape=True), plugins=["table", "math"])
