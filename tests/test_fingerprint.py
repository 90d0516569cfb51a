"""The code's digest follows what is computed, in every imported module, and nothing else."""

import shutil
from pathlib import Path

import pytest

from curvature_mtl import fingerprint as module
from curvature_mtl.fingerprint import code_digest, fingerprint

TRAIN = "curvature_mtl.commands.train"


class Copy:
    """A copy of the package that a test may edit."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def digest(self, name: str = TRAIN) -> str:
        module._imports.cache_clear()
        module._tree_digest.cache_clear()
        return code_digest(name)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    folder = tmp_path / "curvature_mtl"
    shutil.copytree(module.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", folder)
    return Copy(folder)


def test_the_place_of_the_package_does_not_matter(package: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    there = package.digest()
    monkeypatch.undo()
    assert package.digest() == there


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Return r^2, elementwise', '"""Give the square of r'),
        ("    return residual.square()", "    # A comment.\n\n\n    return residual.square()  # another"),
        ("scaled = residual / width", "scaled = (\n        residual / width)"),
        ('"""Pointwise losses', '"""Losses'),
    ],
    ids=["docstring", "comment", "layout", "docstring of the module"],
)
def test_unchanged_by_what_is_not_computed(package: Copy, old: str, new: str) -> None:
    before = package.digest()
    package.replace("models/losses.py", old, new)
    assert package.digest() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("commands/train.py", "_run.use_one_thread()", "pass"),
        ("models/losses.py", "math.log(2)", "math.log(3)"),
        ("graphs/store.py", '"curvature-mtl-graphs/', '"other-graphs/'),
    ],
    ids=["its own", "of a number three imports away", "of a string"],
)
def test_changed_by_an_edit_of_the_code(package: Copy, name: str, old: str, new: str) -> None:
    before = package.digest()
    package.replace(name, old, new)
    assert package.digest() != before


def test_unchanged_by_an_edit_of_a_module_that_is_not_imported(package: Copy) -> None:
    before = package.digest()
    package.write("reporting/tables.py", "x = 1\n")
    assert package.digest() == before


@pytest.mark.parametrize(
    "statement",
    [
        "import curvature_mtl.leaf",
        "from curvature_mtl import leaf",
        "from curvature_mtl.leaf import x",
        "from curvature_mtl.leaf import x as y",
        "def f():\n    from curvature_mtl.leaf import x",
        "from curvature_mtl import stem",
    ],
)
def test_follows_every_form_of_import(package: Copy, statement: str) -> None:
    package.write("root.py", f"import numpy\n{statement}\n")
    package.write("stem.py", "from curvature_mtl import leaf\n")
    package.write("leaf.py", "x = 1\n")
    before = package.digest("curvature_mtl.root")
    package.write("leaf.py", "x = 2\n")
    assert package.digest("curvature_mtl.root") != before


def test_how_files_are_written_changes_no_number(package: Copy) -> None:
    before = package.digest()
    package.replace("files.py", "indent=2", "indent=3")
    package.replace("errors.py", "class UserError", "x = 1\n\n\nclass UserError")
    assert package.digest() == before


def test_modules_may_import_each_other(package: Copy) -> None:
    package.write("one.py", "import curvature_mtl.two\n")
    package.write("two.py", "import curvature_mtl.one\n")
    assert package.digest("curvature_mtl.one") == package.digest("curvature_mtl.two")


def test_fingerprint_follows_files_by_content_and_settings_by_value(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("data")
    two.write_text("data")
    command = "curvature_mtl.commands.train"
    reference = fingerprint(command, [one], {"a": 1, "b": 2})
    assert fingerprint(command, [two], {"b": 2, "a": 1}) == reference
    assert fingerprint(command, [one], {"a": 1, "b": 3}) != reference
    assert fingerprint("curvature_mtl.commands.split", [one], {"a": 1, "b": 2}) != reference
    one.write_text("date")
    assert fingerprint(command, [one], {"a": 1, "b": 2}) != reference
