"""Texts and file names of a config reach the jobs as they are: no wildcard, no word of a shell."""

import json
from pathlib import Path

import pytest

from workflow.project import Project

pytestmark = pytest.mark.slow
FILE = "my 'table' $(touch pwned); touch pwned.csv"
TEXT = """{x} {wildcards.dataset} $(touch pwned) `touch pwned` ; ' " \\ % <script>alert(1)</script> $\\foo$ é"""
TASKS = {"gap": {"unit": TEXT}, "modulus": {"unit": TEXT}}
TABLE = {"file": FILE, "smiles": "smiles", "title": TEXT, "licence": TEXT, "citation": TEXT, "tasks": TASKS}
CONFIG = {
    "run": "odd",
    "methods": ["equal"],
    "comparisons": [{"asks": TEXT, "method": "equal", "against": "stl"}],
    "datasets": {"mine": {"source": "table", "table": TABLE}},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.copy_to(tmp_path_factory.mktemp("texts") / "project")
    (project.folder / "odd.yaml").write_text(json.dumps(CONFIG))
    rows = [f"{'C' * length}O,{length / 7},{length}\n" for length in range(1, 31)]
    (project.folder / FILE).write_text("smiles,gap,modulus\n" + "".join(rows))
    return project


def test_every_job_can_be_planned(project: Project) -> None:
    assert project.planned_jobs("all", "--configfile", "odd.yaml")["provenance"] == 1


def test_the_table_is_read_and_nothing_else_is_run(project: Project) -> None:
    run = project.snakemake("--cores", "1", "results/odd/tables/tasks.csv", "--configfile", "odd.yaml")
    assert run.returncode == 0, run.stdout
    assert TEXT.split(";")[0].strip() in (project.folder / "results/odd/tables/tasks.csv").read_text()
    assert json.loads((project.folder / "results/odd/mine/dataset.json").read_text())["title"] == TEXT
    assert not [path for path in project.folder.rglob("pwned*") if path != Path(FILE)]
