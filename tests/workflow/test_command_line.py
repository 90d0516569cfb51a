"""What a newcomer types: a value or two on the command line, a config file that lacks something."""

import pytest

from workflow.project import Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project.copy_to(tmp_path_factory.mktemp("command_line") / "project")


def test_values_on_the_command_line_change_the_default_config(project):
    made = "results/longer/sample_alloys/formula/seed4/equal/all-tasks.safetensors"
    given = ("--config", "run=longer", 'training={"epochs": 40}', "seeds=[4]")
    run = project.snakemake("--dry-run", "--printshellcmds", *given, "--", made)
    assert run.returncode == 0, run.stdout
    assert '"epochs": 40' in run.stdout
    assert '"batch_size": 32' in run.stdout, "as config/config.yaml has it"


def test_a_config_file_is_never_filled_up_by_the_default_one(project):
    (project.folder / "mine.yaml").write_text("datasets: {mine: {source: qm8}}\n")
    run = project.snakemake("--dry-run", "--configfile", "mine.yaml")
    assert run.returncode == 1
    assert "config: the top level: 'run' is a required property" in run.stdout
