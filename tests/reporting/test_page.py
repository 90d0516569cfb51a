"""The page of a run: complete, well-formed, self-contained, the same bytes each time, and safe with any text."""

import re
import shutil
from html import unescape

import pytest

from curvature_mtl.errors import UserError
from page_check import check_page
from reporting.small_run import LABELS, TEXT, caption, make_page, notebook

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>"\' onclick=alert(1) </td></table></section>'
SHOWN = "&lt;script&gt;alert("


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return make_page(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


def test_is_well_formed_and_all_that_it_names_is_there(page):
    check_page(page)


def test_works_where_results_and_figures_are_copied_together(page, tmp_path):
    for name in ("results", "figures"):
        shutil.copytree(page.parents[2] / name, tmp_path / name)
    check_page(tmp_path / "results/r/index.html")


def test_loads_nothing_from_elsewhere_and_has_no_script(text):
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(|https?:", text)


def test_has_the_same_bytes_each_time_and_everywhere(page, tmp_path):
    assert make_page(tmp_path / "elsewhere").read_bytes() == page.read_bytes()


def test_tells_the_notebooks_story_in_its_order(text):
    assert "<h2>1 Data</h2>" in text
    story = ["What is learned?", "<h3>The tasks</h3>", "Figure 1. What comes second", "λ<sub>max</sub>", ">0.32</td>"]
    story += ["Figure 2. What comes first", 'id="claims"', 'id="tables"', 'id="rules"']
    places = [text.index(part) for part in story]
    assert places == sorted(places)


def test_a_figure_has_its_label_as_its_alternative_text_and_links_to_its_files(page):
    found = check_page(page)
    alternatives = {attributes["src"]: attributes["alt"] for tag, attributes in found.elements if tag == "img"}
    assert alternatives["../../figures/r/first.png"] == LABELS["1_data"]["first"]
    assert "../../figures/r/first.pdf" in found.values("href")


def test_shows_short_tables_and_links_long_ones(text):
    assert text.count('<td class="short">gap-') == 20, "of `summary` alone"
    assert "(21 rows)" in text
    for file in ("summary.csv", "summary.md", "summary.tex", "accuracy.csv", "rejects.tex", "ritz_values.parquet"):
        assert f'href="tables/{file}"' in text


def test_says_each_verdict_in_words_and_counts_them(text):
    for verdict in ("holds", "fails", "undecided", "not applicable"):
        assert f'<span class="verdict">{verdict}</span>' in text
    assert text.count("holds 1 · fails 1 · undecided 1 · not applicable 1") == 2
    assert "Measured -1.5 % (3 seeds), claimed above 0, on molecules, random (SAMPLE)." in text
    assert "Because: no such table in this run." in text


def test_marks_a_sample_and_no_other_run(text, tmp_path):
    assert unescape(text).count("SAMPLE data, not the study's") == 1 + 1, "at the top and in the last line"
    assert "0123456789ab…" in text
    assert "SAMPLE data" not in make_page(tmp_path, is_sample=False).read_text()


@pytest.mark.parametrize("where", ["title", "statement", "task"])
def test_a_hostile_text_is_shown_as_it_is(tmp_path, where):
    path = make_page(tmp_path, **{where: HOSTILE})
    check_page(path)
    assert SHOWN in path.read_text()


def test_a_hostile_notebook_is_shown_as_it_is(tmp_path):
    cells = f"<table><tr><td>{HOSTILE.replace('<', '&lt;')}</td></tr></table>"
    outputs = ({"text/markdown": HOSTILE}, {"text/html": cells}, caption("first"), caption("second"))
    path = make_page(tmp_path, section=notebook(f"# {HOSTILE}\n\n{HOSTILE}", outputs=outputs))
    check_page(path)
    assert path.read_text().count(SHOWN) >= 4


def test_a_notebook_without_a_title_is_named(tmp_path):
    with pytest.raises(UserError, match=r"1_data\.ipynb: its first cell has to begin with the section's title"):
        make_page(tmp_path, section=notebook(TEXT))


def test_a_notebook_that_captions_not_all_its_figures_is_named(tmp_path):
    with pytest.raises(UserError, match=r"1_data\.ipynb: no caption of figure second"):
        make_page(tmp_path, section=notebook("# 1 Data", outputs=(caption("first"),)))
