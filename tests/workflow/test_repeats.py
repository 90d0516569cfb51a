"""Same inputs, same bytes: at any number of cores, after kills (many more in kill_at_random.py), and after signals."""

import base64
import signal

import pytest

from workflow.kill_at_random import Moment, Undisturbed, end_and_run_again
from workflow.project import TINY, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    project = Project.copy_to(tmp_path_factory.mktemp("undisturbed") / "project")
    return Undisturbed.of(project, cores=4)


def test_one_core_gives_the_same_bytes_as_four_in_another_folder(undisturbed, tmp_path):
    project = Project.copy_to(tmp_path / "project")
    run = project.snakemake("--cores", "1", *TINY)
    assert run.returncode == 0, run.stdout
    assert_same(project.outputs(), undisturbed.outputs)


def test_one_job_per_task_gives_the_same_accuracy(undisturbed, tmp_path):
    project = Project.copy_to(tmp_path / "project")
    target = "results/tiny/tables/accuracy.csv"
    run = project.snakemake("--cores", "2", *TINY, "--config", "one_job_per_task=True", "--", target)
    assert run.returncode == 0, run.stdout
    assert project.outputs()[target] == undisturbed.outputs[target]


@pytest.mark.parametrize("number", range(3))
def test_a_run_killed_at_a_random_moment_and_run_again_ends_in_the_same_bytes(undisturbed, tmp_path, number):
    moment = Moment.drawn(seed=1, number=number, undisturbed=undisturbed)
    repaired = end_and_run_again(Project.copy_to(tmp_path / "project"), moment, signal.SIGKILL, cores=2)
    assert repaired.exit_code == -signal.SIGKILL
    assert repaired.differences(undisturbed) == repaired.left_over == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_told_to_stop_does_so_without_tracebacks_and_goes_on_later(undisturbed, tmp_path, number):
    moment = Moment.drawn(seed=2, number=number, undisturbed=undisturbed)
    repaired = end_and_run_again(Project.copy_to(tmp_path / "project"), moment, number, cores=2)
    assert repaired.exit_code > 0, "Snakemake ended by itself"
    assert "Traceback" not in repaired.said
    assert repaired.differences(undisturbed) == repaired.left_over == []


def test_the_profile_runs_a_job_again_whose_output_is_marked_as_unfinished(tmp_path):
    project = Project.copy_to(tmp_path / "project")
    output = "results/tiny/sample_alloys/sample_alloys.csv"
    (project.folder / output).parent.mkdir(parents=True)
    (project.folder / output).write_text("half\n")
    marks = project.folder / ".snakemake/incomplete"
    marks.mkdir(parents=True)
    (marks / base64.b64encode(output.encode()).decode()).touch()
    assert project.planned_jobs(*TINY, "--", output) == {"make_sample_alloys": 1}
    without = project.snakemake("--dry-run", "--workflow-profile", "none", *TINY, "--", output)
    assert without.returncode == 1
    assert "rerun" in without.stdout, "the mark is one that Snakemake knows"


def assert_same(outputs, expected):
    assert set(outputs) == set(expected)
    assert [path for path in expected if outputs[path] != expected[path]] == []
