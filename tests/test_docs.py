"""The code in the documentation runs."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "curvature.md"
EXAMPLES = re.findall(r"^## (.*?)$.*?^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_the_example_runs(title: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, f"{PAGE.name}: {title}", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out


def test_there_are_three_examples() -> None:
    assert len(EXAMPLES) == 3
