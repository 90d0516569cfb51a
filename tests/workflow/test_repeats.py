"""Same inputs, same bytes: at any number of cores, and after a kill."""

import os
import signal
import subprocess
import time

import pytest

from workflow.project import TINY, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    project = Project.copy_to(tmp_path_factory.mktemp("undisturbed") / "project")
    run = project.snakemake("--cores", "4", *TINY)
    assert run.returncode == 0, run.stdout
    return project.outputs()


def test_one_core_gives_the_same_bytes_as_four_in_another_folder(undisturbed, tmp_path):
    project = Project.copy_to(tmp_path / "project")
    run = project.snakemake("--cores", "1", *TINY)
    assert run.returncode == 0, run.stdout
    assert_same(project.outputs(), undisturbed)


def test_one_job_per_task_gives_the_same_accuracy(undisturbed, tmp_path):
    project = Project.copy_to(tmp_path / "project")
    target = "results/tiny/tables/accuracy.csv"
    run = project.snakemake("--cores", "2", *TINY, "--config", "one_job_per_task=True", "--", target)
    assert run.returncode == 0, run.stdout
    assert project.outputs()[target] == undisturbed[target]


@pytest.mark.parametrize("seconds", [8, 16, 24])
def test_a_killed_run_resumes_to_the_same_bytes(undisturbed, tmp_path, seconds):
    project = Project.copy_to(tmp_path / "project")
    with (tmp_path / "killed.log").open("w") as log:
        killed = subprocess.Popen(
            project.command("--cores", "2", *TINY),
            cwd=project.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    assert project.snakemake("--unlock", *TINY).returncode == 0
    run = project.snakemake("--cores", "2", *TINY)
    assert run.returncode == 0, run.stdout
    assert_same(project.outputs(), undisturbed)


def assert_same(outputs, expected):
    assert set(outputs) == set(expected)
    assert [path for path in expected if outputs[path] != expected[path]] == []
