"""Tables for programs and for people, each with the data that it shows."""

from pathlib import Path

import pandas as pd

from curvature_mtl.reporting.tables import data_note, write_table_files

TABLE = pd.DataFrame({"task": ["a", "b"], "n": [123456, 7], "mae": [0.123456789, float("nan")]})


def test_csv_has_all_digits_and_markdown_and_latex_four(tmp_path: Path) -> None:
    write_table_files(tmp_path / "table.csv", TABLE, "The caption", "the note")
    assert (tmp_path / "table.csv").read_text() == "task,n,mae\na,123456,0.123456789\nb,7,\n"
    assert (tmp_path / "table.md").read_text().splitlines() == [
        "**The caption**",
        "",
        "| task   | n      | mae    |",
        "|:-------|:-------|:-------|",
        "| a      | 123456 | 0.1235 |",
        "| b      | 7      | nan    |",
        "",
        "the note",
    ]
    latex = (tmp_path / "table.tex").read_text().splitlines()
    assert latex[0] == "% needs the packages array, booktabs, longtable and pdflscape"
    assert r"\caption{The caption. the note.}\label{tab:table}" in latex
    assert [line for line in latex if line.startswith(("a ", "b "))] == [
        r"a & $123456$ & $0.1235$ \\",
        r"b & $7$ & -- \\",
    ]


def test_the_note_names_run_and_data_and_marks_a_sample() -> None:
    summaries = [
        {"dataset": "qm8", "raw_sha256": "0123456789abcdef", "is_sample": False},
        {"dataset": "mine", "raw_sha256": "fedcba9876543210", "is_sample": True},
    ]
    note = "run paper: qm8 0123456789ab; mine fedcba987654 (SAMPLE data, not the study's)"
    assert data_note("paper", summaries) == note


def test_people_may_read_other_parts_than_programs(tmp_path: Path) -> None:
    part = pd.DataFrame({"method": ["stl"], "E_1": ["**0.10 ± 0.02**"]})
    write_table_files(tmp_path / "table.csv", TABLE, "Caption", "note", [("first", part), ("second", part)])
    assert (tmp_path / "table.csv").read_text().startswith("task,n,mae\n")
    markdown = (tmp_path / "table.md").read_text()
    assert markdown.count("| stl      | **0.10 ± 0.02** |") == 2
    assert markdown.index("### first") < markdown.index("### second") < markdown.index("note")
    latex = (tmp_path / "table.tex").read_text()
    assert latex.count(r"stl & $\mathbf{0.10 \pm 0.02}$ \\") == 2
    assert r"\caption{first. Caption. note.}\label{tab:table-1}" in latex
    assert r"\caption{second. Caption. note.}\label{tab:table-2}" in latex
