"""Tables for programs and for people, each with the data that it shows."""

from pathlib import Path

import pandas as pd

from curvature_mtl.reporting.tables import data_note, write_csv_and_markdown

TABLE = pd.DataFrame({"task": ["a", "b"], "n": [123456, 7], "mae": [0.123456789, float("nan")]})


def test_csv_has_all_digits_and_markdown_four(tmp_path: Path) -> None:
    write_csv_and_markdown(tmp_path / "table.csv", TABLE, "The caption", "the note")
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


def test_the_note_names_run_and_data_and_marks_a_sample() -> None:
    summaries = [
        {"dataset": "qm8", "raw_sha256": "0123456789abcdef", "is_sample": False},
        {"dataset": "mine", "raw_sha256": "fedcba9876543210", "is_sample": True},
    ]
    note = "run paper: qm8 0123456789ab; mine fedcba987654 (SAMPLE data, not the study's)"
    assert data_note("paper", summaries) == note
