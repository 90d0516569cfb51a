"""Names from a config are files and folders: none leads out of results/ and figures/, or to another one's files."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.config import complete_config, load_schema
from curvature_mtl.datasets.entry import NO_TASKS, find_table
from curvature_mtl.errors import UserError


@pytest.fixture(autouse=True, scope="module")
def _schema_is_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("curvature_mtl.config.load_schema", cache(load_schema))
        yield


BAD_NAMES = [
    *("", ".", "..", "../x", "/etc", "a/b", "a\\b", "a b", " a", "a ", "a\n", "\na", "a\0", "-a", "--help", "~", "a.b"),
    *(
        "é",
        "Å",
        "名",
        "a\u202eb",
        "\ud800",
        "x" * 81,
        "{a}",
        "$a",
        "$(id)",
        "`id`",
        "a;b",
        "*",
        "a|b",
        "a'b",
        'a"b',
        "%s",
    ),
]
GOOD_NAMES = ["a", "A1", "_", "0", "x" * 80]


def with_name(kind: str, name: str) -> dict[str, Any]:
    """Return a config with this name for its run, or one of its datasets, methods, branches or tasks."""
    tasks = {"y": {"unit": "eV"}, "z": {"unit": "eV"}}
    if kind == "task":
        tasks[name] = tasks.pop("z")
    table = {"source": "table", "table": {"file": "a.csv", "smiles": "s", "tasks": tasks}}
    first, second = tasks
    branches = {name if kind == "branch" else "first": [first], "second": [second]}
    return {
        "run": name if kind == "run" else "mine",
        "datasets": {name if kind == "dataset" else "own": table},
        "methods": {name if kind == "method" else "parts": {"branches": branches, "epochs": 1}},
    }


KINDS = ["run", "dataset", "method", "branch", "task"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_name_that_is_no_plain_one_is_refused(kind: str, name: str) -> None:
    with pytest.raises(UserError, match=r"^config: [^\n]+$"):
        complete_config(with_name(kind, name))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_plain_name_is_taken_as_it_is(kind: str, name: str) -> None:
    assert name in str(complete_config(with_name(kind, name)))


@pytest.mark.parametrize("kind", KINDS)
@given(name=st.text(max_size=6))
def test_whatever_is_accepted_is_one_part_of_a_path_and_one_word_of_a_shell(kind: str, name: str) -> None:
    try:
        complete_config(with_name(kind, name))
    except UserError:
        return
    assert name.isascii()
    assert name.replace("_", "a").replace("-", "a").isalnum()
    assert not name.startswith("-")
    assert Path("results", name).parent == Path("results")


@pytest.mark.parametrize(
    ("kind", "name", "taken"),
    [
        ("run", "downloads", "downloads"),
        ("run", "Reference", "reference"),
        ("dataset", "TABLES", "tables"),
        ("dataset", "logs", "logs"),
        ("method", "init", "init"),
        ("method", "curvature", "curvature"),
        ("method", "checkpoints", "checkpoints"),
        ("branch", "Second", "second"),
        ("branch", "parts", "parts"),
        ("task", "Y", "y"),
        ("task", "all-tasks", "all-tasks"),
        ("task", "y-history", "y-history"),
        ("task", "All-tasks-summary", "all-tasks-summary"),
    ],
)
def test_a_name_for_files_that_are_another_one_s_is_refused(kind: str, name: str, taken: str) -> None:
    with pytest.raises(UserError) as caught:
        complete_config(with_name(kind, name))
    texts = [f"{one!r} is taken: there is {other!r}" for one, other in ((name, taken), (taken, name))]
    assert any(text in str(caught.value) for text in texts)


@pytest.mark.parametrize("name", NO_TASKS)
def test_a_task_may_not_overwrite_a_column_of_the_tables(name: str) -> None:
    with pytest.raises(UserError, match=rf"table.tasks.{name}: the tables have a column of this name"):
        complete_config(with_name("task", name))


@pytest.mark.parametrize("file", ["{x}.csv", "a}.csv", "-x.csv", "a\nb.csv", "a\x1bb.csv"], ids=ascii)
def test_a_table_whose_name_would_be_misunderstood_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).touch()
    with pytest.raises(UserError, match=r"rename the file$"):
        find_table(file, "")


def test_a_table_with_spaces_and_signs_of_the_shell_in_its_name_is_found(tmp_path: Path) -> None:
    file = tmp_path / "my 'table' $(touch x);é.csv"
    file.touch()
    assert find_table(str(file), "") == file


def test_a_name_that_is_too_long_for_a_file_is_no_file() -> None:
    with pytest.raises(UserError, match="no such table"):
        find_table("x" * 10_000, "/mirror")
