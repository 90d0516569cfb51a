"""Tables as LaTeX with booktabs, for a page of one column."""

import re
from collections.abc import Sequence

import pandas as pd

NEEDS = "% needs the packages array, booktabs, longtable and pdflscape"
# More rows than this do not fit on a page, and a row of more characters only across it.
ROWS_OF_A_PAGE = 60
CHARACTERS_OF_A_ROW = 115
# Cells longer than this many characters are broken into lines.
LINE = 30
PARAGRAPH = r">{\raggedright\arraybackslash}p{0.16\linewidth}"
DIGEST = re.compile(r"[0-9a-f]{16}(?=[0-9a-f]{16})")
NUMBER = r"-?\d+(\.\d+)?(e[+-]\d+)?"
MEASURED = re.compile(rf"{NUMBER}( ± {NUMBER})?")
MISSING = "nan"
# `[` and `*` would be taken for an option of the line break before them.
ESCAPES = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "*": "{*}",
    "±": r"$\pm$",
}


def latex_table(cells: pd.DataFrame, caption: str, label: str) -> str:
    """Return a floating table; a longtable if it is longer than a page or, across the page, if it is wider.

    Args:
        cells: text as in Markdown: `**bold**` as a whole cell, numbers with a point, `nan` for a missing one.
        caption: above the table; text between backticks is set as code.
        label: by which the text refers to it.
    """
    columns = "".join(_alignment(cells[name]) for name in cells)
    title = rf"\caption{{{escaped(caption)}}}\label{{{label}}}"
    head = [r"\toprule", _row(map(escaped, cells.columns)), r"\midrule"]
    rows = [_row(map(latex_cell, row)) for row in cells.itertuples(index=False)]
    is_wide = sum(_width(cells[name]) for name in cells) > CHARACTERS_OF_A_ROW
    if is_wide or len(rows) > ROWS_OF_A_PAGE:
        repeated = [rf"{title}\\", *head, r"\endfirsthead", *head, r"\endhead", r"\bottomrule", r"\endfoot"]
        lines = _within("longtable", columns, [*repeated, *rows])
        size = r"\scriptsize\tabcolsep=2pt" if is_wide else r"\footnotesize\tabcolsep=4pt"
        lines = [rf"{{{size}\LTcapwidth=\linewidth", *lines, "}"]
        lines = _within("landscape", "", lines) if is_wide else lines
    else:
        body = _within("tabular", columns, [*head, *rows, r"\bottomrule"])
        lines = [
            r"\begin{table}[tbp]",
            r"\centering\footnotesize\tabcolsep=4pt",
            title,
            r"\medskip",
            *body,
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def _within(environment: str, columns: str, lines: list[str]) -> list[str]:
    options = f"{{{columns}}}" if columns else ""
    return [rf"\begin{{{environment}}}{options}", *lines, rf"\end{{{environment}}}"]


def latex_cell(text: str) -> str:
    """Return a cell's text in LaTeX: numbers in mathematics, a dash for a missing one."""
    is_bold = len(text) > 4 and text.startswith("**") and text.endswith("**")
    plain = text[2:-2] if is_bold else text
    if plain == MISSING:
        return "--"
    if MEASURED.fullmatch(plain):
        number = re.sub(r"e([+-]\d+)", lambda found: rf" \times 10^{{{int(found[1])}}}", plain).replace("±", r"\pm")
        return rf"$\mathbf{{{number}}}$" if is_bold else f"${number}$"
    return rf"\textbf{{{escaped(plain)}}}" if is_bold else escaped(plain)


def escaped(text: str) -> str:
    """Return text in which no character is a command; what stands between backticks becomes code."""
    safe = "".join(ESCAPES.get(sign, sign) for sign in text)
    return re.sub(r"`(.+?)`", r"\\texttt{\1}", DIGEST.sub(r"\g<0>\\allowbreak ", safe))


def _row(cells: "Sequence[str] | map[str]") -> str:
    return " & ".join(cells) + r" \\"


def _alignment(cells: pd.Series) -> str:
    """Numbers to the right, text to the left, long text in lines; to the left, too, numbers of which some have a ±."""
    plain = [text.strip("*") for text in cells]
    if all(text == MISSING or re.fullmatch(NUMBER, text) for text in plain):
        return "r"
    return PARAGRAPH if max(map(len, plain)) > LINE else "l"


def _width(cells: pd.Series) -> int:
    """Return how many characters the column is wide, the space between columns included."""
    longest = max(map(len, [str(cells.name), *cells]))
    return 2 + min(longest, LINE)
