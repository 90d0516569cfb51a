"""Markdown and notebook tables as HTML: formulas that read well, and nothing that a text smuggles in."""

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.reporting.markup import formula, html, inline_html, table_html

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
TEXT_TAGS = {"a", "blockquote", "br", "code", "div", "em", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p"}
TEXT_TAGS |= {"pre", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"}
# What could run a script, load a file or leave its place, in the contexts in which HTML may be misread.
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<b>", "$<i>$", "`", "&lt;", "|", "\n", "x"]
HOSTILE += [
    "![a](http://x/y.png)",
    "[a](javascript:alert(1))",
    "</table>",
    "<td colspan='2\" onclick=a'>",
    "</td>",
    "_",
]


class Tags(HTMLParser):
    """The tags and the attributes of a text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str | None]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            self.attributes.setdefault(name, []).append(value)


@pytest.mark.parametrize(
    ("tex", "shown"),
    [
        (r"\Delta_m", "Δ<sub><i>m</i></sub>"),
        (r"\lambda_\mathrm{max}", "λ<sub>max</sub>"),
        (r"\lambda_{\mathrm{max}}", "λ<sub>max</sub>"),
        ("H_t", "<i>H</i><sub><i>t</i></sub>"),
        (r"\mathrm{tr}(H_t) \approx 10^{-3}", "tr(<i>H</i><sub><i>t</i></sub>) ≈ 10<sup>−3</sup>"),
        ("a<b", "<i>a</i>&lt;<i>b</i>"),
    ],
)
def test_a_formula_reads_well_without_a_script(tex, shown):
    assert formula(tex) == f'<span class="formula">{shown}</span>'


def test_a_formula_that_is_not_understood_stands_as_it_is():
    assert formula(r"\frac{1}{<2>}") == r"<code>\frac{1}{&lt;2&gt;}</code>"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_formula_in_the_text_of_the_notebooks_is_understood(path):
    texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    assert "<code>\\" not in html("\n\n".join(texts))


def test_headings_stand_one_level_down():
    assert html("# A\n\n## B") == "<h2>A</h2>\n<h3>B</h3>\n"


def test_a_sentence_has_no_paragraph_of_its_own():
    assert inline_html("What was *left out*; `graph`") == "What was <em>left out</em>; <code>graph</code>"


def test_a_markdown_table_scrolls_and_its_numbers_are_marked():
    shown = html("| a | b |\n|:--|:--|\n| **0.012 ± 0.003** | a task |\n| -1.5e-05 | x\\|y |")
    assert '<div class="scroll" tabindex="0">' in shown
    assert '<td class="number"><strong>0.012 ± 0.003</strong></td>' in shown
    assert '<td class="number">-1.5e-05</td>' in shown
    assert '<td class="short">x|y</td>' in shown


def test_of_a_notebooks_table_only_cells_text_and_spans_are_kept():
    source = """<style>td {color: red}</style><table border="1" class="dataframe" onclick="alert(1)"><thead><tr>
    <th colspan="2" halign="left">top</th></tr></thead><tbody><tr><th rowspan="2" valign="top">a&lt;b</th>
    <td>1.5</td></tr><tr><td><script>alert(1)</script>word</td></tr></tbody></table><p>2 rows</p>"""
    assert re.sub(r"\s*\n\s*", "", table_html(source)) == (
        '<div class="scroll" tabindex="0"><table><thead><tr><th colspan="2">top</th></tr></thead>'
        '<tbody><tr><th rowspan="2">a&lt;b</th><td class="number">1.5</td></tr>'
        '<tr><td class="short">alert(1)word</td></tr></tbody></table></div>'
    )


def test_a_missing_number_is_a_dash_and_an_empty_table_is_left_out():
    assert '<td class="number">–</td>' in table_html("<table><tbody><tr><td>NaN</td></tr></tbody></table>")
    assert table_html("<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table>") == ""


def test_of_pandas_tables_row_numbers_are_left_out_and_names_of_rows_are_not():
    table = pd.DataFrame({"task": ["gap", "homo"], "mae": [0.1, 0.2]})
    shown = {
        name: table_html(data.to_html()) for name, data in (("numbered", table), ("named", table.set_index("task")))
    }
    assert shown["numbered"].count("<th>") == 2
    assert "<tr><td" in shown["numbered"]
    assert "<tr><th>gap</th><td" in shown["named"]
    assert all(text.count('<td class="number">') == 2 for text in shown.values())


@given(st.lists(st.sampled_from(HOSTILE), max_size=6).map(" ".join))
def test_no_text_brings_a_tag_an_attribute_or_an_address_with_it(text):
    for shown in (
        html(text),
        html(f"| {text} |\n|:--|\n| {text} |"),
        table_html(f"<table><tr><td>{text}</td></tr></table>"),
    ):
        found = Tags(shown)
        assert found.tags <= TEXT_TAGS
        assert found.attributes.keys() <= {"class", "tabindex", "href", "title", "colspan", "rowspan", "start"}
        assert all(address == "#harmful-link" for address in found.attributes.get("href", []))
