"""The committed notebooks: no outputs, parameters first, and a text for every figure that they show."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_no_outputs_and_its_first_code_cell_are_the_parameters(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count] == []
    assert code[0].metadata.tags == ["parameters"]
    assert all("parameters" not in cell.metadata.get("tags", []) for cell in code[1:])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_begins_with_its_number_and_question(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.source.startswith(f"# {path.stem[0]} ")
    assert "?" in first.source or first.source.count("If ") == 1


def shown_figures() -> list[str]:
    sources = [cell.source for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    return [name for source in sources for name in re.findall(r'section\.show\("(\w+)"', source)]


def test_every_figure_is_shown_once_and_has_a_caption_of_one_paragraph() -> None:
    captions = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "workflow/report").glob("*.rst")}
    # That of the whole report.
    del captions["workflow"]
    assert sorted(shown_figures()) == sorted(captions)
    for text in captions.values():
        # They are read as Markdown, too, and as a template of Jinja.
        assert text.count("\n") == 1
        assert not set("{}*`") & set(text)
