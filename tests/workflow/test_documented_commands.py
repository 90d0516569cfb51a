"""What the documentation says to type works: Snakemake's commands as dry runs, `curvature-mtl` for good."""

import os
import shlex
import subprocess
import sys

import pandas as pd
import pytest

from documented import ROOT, blocks, run_commands
from workflow.project import Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, with the config for an own table that the README shows."""
    project = Project.copy_to(tmp_path_factory.mktemp("documented") / "project")
    [own] = blocks(ROOT / "README.md", "yaml")
    (project.folder / "mine.yaml").write_text(own)
    return project


@pytest.mark.parametrize("command", run_commands("snakemake"))
def test_snakemake_plans_it(project, command):
    run = project.snakemake(*shlex.split(command)[1:], "--dry-run")
    assert run.returncode == 0, run.stdout
    assert "Nothing to be done" not in run.stdout


def test_the_steps_without_snakemake_work_as_they_stand_in_the_readme(project):
    steps = [block for block in blocks(ROOT / "README.md", "bash") if block.startswith("curvature-mtl ")]
    assert len(steps) == 1
    # The installed script is this module; here it is that of the copy.
    script = f'curvature-mtl() {{ "{sys.executable}" -m curvature_mtl "$@"; }}; set -e\n{steps[0]}'
    env = os.environ | {"PYTHONPATH": str(project.folder / "workflow"), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(["bash", "-c", script], cwd=project.folder, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    errors = {
        method: pd.read_csv(project.folder / f"molecules/{method}-random-seed0/accuracy.csv").set_index("task")
        for method in ("stl", "uncertainty")
    }
    for table in errors.values():
        assert (table["mae"] < table["mad"]).sum() >= 2, "better than the mean, for two tasks of three at least"
    curvature = pd.read_csv(project.folder / "molecules/uncertainty-random-seed0/curvature/curvature.csv")
    assert (curvature["trace"] > 0).all()
