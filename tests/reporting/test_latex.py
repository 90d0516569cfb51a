"""Tables in LaTeX: whole, aligned, and with nothing in them that is taken for a command."""

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.reporting.latex import ROWS_OF_A_PAGE, escaped, latex_cell, latex_table

# All that escaped text may hold: plain characters, escaped ones, named ones, and signs in braces or mathematics.
SAFE = re.compile(r"([^\\&%$#_{}~^<>|\[*±`]|`|\\[&%$#_{}]|\\text\w+\{\}|\{[\[*]\}|\$\\pm\$)*")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)


def rows(latex: str) -> list[str]:
    return [line for line in latex.split("\n") if line.endswith(r" \\")]


def columns(latex: str) -> int:
    """Return the number of columns that the environment promises."""
    [promised] = re.findall(r"\\begin\{(?:tabular|longtable)\}\{(.*)\}", latex)
    return len(re.sub(r">\{.*?\}p\{.*?\}", "p", promised))


def depth(latex: str) -> list[int]:
    """Return how many braces are open after each character, escaped ones aside."""
    signs = re.sub(r"\\[\\&%$#_{}]", "", latex)
    depths = [0]
    for sign in signs:
        depths.append(depths[-1] + (sign == "{") - (sign == "}"))
    return depths


@given(TEXT)
def test_escaped_text_has_no_commands(text: str) -> None:
    assert SAFE.fullmatch(escaped(text.replace("`", "")))


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4), TEXT)
def test_every_row_has_all_columns_and_every_brace_closes(cells: list[tuple[str, str, str]], caption: str) -> None:
    latex = latex_table(pd.DataFrame(cells, columns=["a_b", "c&d", "e"]), caption, "tab:x")
    assert len(rows(latex)) == len(cells) + 1
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows(latex)} == {columns(latex)} == {3}
    assert min(depth(latex)) == depth(latex)[-1] == 0


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("0.25", "$0.25$"),
        ("-3", "$-3$"),
        ("1.2e-05", r"$1.2 \times 10^{-5}$"),
        ("0.30 ± 0.02", r"$0.30 \pm 0.02$"),
        ("**0.30 ± 0.02**", r"$\mathbf{0.30 \pm 0.02}$"),
        ("**best_of**", r"\textbf{best\_of}"),
        ("nan", "--"),
        ("E1-CC2 [hartree]", "E1-CC2 {[}hartree]"),
        ("`graph` is a row", r"\texttt{graph} is a row"),
        ("5 % of A & B", r"5 \% of A \& B"),
    ],
)
def test_cells(text: str, latex: str) -> None:
    assert latex_cell(text) == latex


def test_a_short_table() -> None:
    cells = pd.DataFrame({"task": ["log_K", "gap"], "mae": ["0.1", "nan"]})
    assert latex_table(cells, "Errors in `eV`", "tab:errors").splitlines() == [
        r"\begin{table}[tbp]",
        r"\centering\footnotesize\tabcolsep=4pt",
        r"\caption{Errors in \texttt{eV}}\label{tab:errors}",
        r"\medskip",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"task & mae \\",
        r"\midrule",
        r"log\_K & $0.1$ \\",
        r"gap & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_a_table_longer_than_a_page_repeats_its_head_and_a_wide_one_lies_across() -> None:
    page = pd.DataFrame({"n": [str(n) for n in range(ROWS_OF_A_PAGE)]})
    assert "longtable" not in latex_table(page, "", "tab:x")
    longer = latex_table(pd.concat([page, page]), "", "tab:x")
    assert longer.count(r"n \\") == 2
    assert longer.count(r"\begin{longtable}") == longer.count(r"\end{longtable}") == 1
    assert "landscape" not in longer
    wide = latex_table(pd.DataFrame({f"a long name {n}": ["1"] for n in range(12)}), "", "tab:x")
    assert wide.startswith(r"\begin{landscape}")
    assert wide.endswith("\\end{landscape}\n")


def test_means_stand_below_each_other_whether_they_have_a_spread_or_not() -> None:
    cells = pd.DataFrame({"method": ["a", "b"], "seeds": ["1", "3"], "E1": ["**0.10**", "0.20 ± 0.01"]})
    assert r"\begin{tabular}{lrl}" in latex_table(cells, "", "tab:x")


def test_long_text_is_broken_into_lines_and_so_is_a_digest() -> None:
    latex = latex_table(pd.DataFrame({"licence": ["word " * 10], "sha256": ["0123456789abcdef" * 4]}), "", "tab:x")
    assert columns(latex) == latex.count("p{") == 2
    assert r"0123456789abcdef\allowbreak 0123456789abcdef\allowbreak " in latex
