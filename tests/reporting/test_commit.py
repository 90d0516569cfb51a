"""The commit is that of the checkout to which the code belongs, and of no other."""

import subprocess
from pathlib import Path

import pytest

from curvature_mtl.reporting.commit import commit_of


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    run = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "checkout" / "package" / "code.py"
    file.parent.mkdir(parents=True)
    file.write_text("x = 1\n")
    git(tmp_path / "checkout", "init", "--quiet")
    git(tmp_path / "checkout", "add", ".")
    git(tmp_path / "checkout", "commit", "--quiet", "--message", "first")
    git(tmp_path / "checkout", "tag", "--annotate", "v1", "--message", "a release")
    return file


def test_a_clean_checkout_has_its_whole_commit(code: Path) -> None:
    assert commit_of(code) == git(code.parent, "rev-parse", "HEAD")


def test_a_changed_file_makes_it_dirty_and_a_new_one_does_not(code: Path) -> None:
    (code.parents[1] / "result.csv").write_text("1\n")
    assert not commit_of(code).endswith("-dirty")
    code.write_text("x = 2\n")
    assert commit_of(code) == git(code.parent, "rev-parse", "HEAD") + "-dirty"


def test_a_copy_inside_another_checkout_has_no_commit(code: Path) -> None:
    copy = code.with_name("copy.py")
    copy.write_text(code.read_text())
    assert commit_of(copy) == "unknown"


def test_outside_a_checkout_and_without_git_it_is_unknown(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("")
    assert commit_of(outside) == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(code) == "unknown"
