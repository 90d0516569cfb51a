"""The committed picture of the rules is the one that `make dag` draws today."""

import subprocess
import sys
from pathlib import Path

import pytest

from workflow.project import ROOT, Project

pytestmark = pytest.mark.slow


def test_make_dag_draws_the_committed_picture(tmp_path):
    project = Project.copy_to(tmp_path / "project")
    (project.folder / "docs/images/dag.svg").write_text("")
    recipe = (ROOT / "Makefile").read_text()
    # Everything but the environment, which is the one that the tests run in.
    (project.folder / "Makefile").write_text(recipe.replace("dag: env", "dag:"))
    subprocess.run(["make", "--silent", "dag", f"BIN={Path(sys.executable).parent}"], cwd=project.folder, check=True)
    committed = (ROOT / "docs/images/dag.svg").read_bytes()
    assert (project.folder / "docs/images/dag.svg").read_bytes() == committed, "run `make dag`"
