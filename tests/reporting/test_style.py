"""A figure carries its run, data and commit where any reader of files finds them, and nothing that differs."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from curvature_mtl.reporting import style

NOTE = "run tiny: mine 0123456789ab (SAMPLE data, not the study's)"
COMMIT = "f" * 40


def drawn(folder: Path) -> list[Path]:
    figure, axis = plt.subplots()
    axis.plot([1, 2])
    paths = [folder / "conflict.pdf", folder / "conflict.png"]
    style.save_figure(figure, [str(path) for path in paths], NOTE)
    return paths


@pytest.fixture(autouse=True)
def one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "commit_of", lambda file: COMMIT)


def pdf_information(path: Path) -> dict[str, str]:
    """Return the strings of a PDF's information dictionary, which matplotlib writes uncompressed."""
    [number] = re.findall(rb"/Info (\d+) 0 R", path.read_bytes())
    [body] = re.findall(rb"\n" + number + rb" 0 obj\n<<(.*?)>>\nendobj", path.read_bytes(), re.DOTALL)
    pairs = re.findall(r"/(\w+) \(((?:[^()\\]|\\.)*)\)", body.decode("ascii"))
    return {key: re.sub(r"\\(.)", r"\1", text) for key, text in pairs}


def test_pdf_keywords_and_png_text_have_run_data_and_commit(tmp_path: Path) -> None:
    pdf, png = drawn(tmp_path)
    assert pdf_information(pdf)["Keywords"] == f"{NOTE}; commit {COMMIT}"
    assert pdf_information(pdf)["Title"] == "conflict"
    with Image.open(png) as image:
        assert image.text["Description"] == f"{NOTE}; commit {COMMIT}"
        assert image.text["Title"] == "conflict"


def test_drawn_again_by_the_same_commit_it_has_the_same_bytes_and_no_date(tmp_path: Path) -> None:
    first, second = drawn(tmp_path / "first"), drawn(tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert "CreationDate" not in pdf_information(first[0])
