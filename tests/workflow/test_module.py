"""The workflow as a module of another one, and as the workflow catalogue finds it."""

import shutil

import pytest
import yaml

from documented import blocks
from workflow.project import ROOT, TINY, Project

pytestmark = pytest.mark.slow
OTHER = """
configfile: "study.yaml"


rule mine:
    input:
        "study/figures/tiny/stl_vs_mtl.png",
    output:
        "mine.png",
    shell:
        "cp {input} {output}"


"""
[AS_IN_THE_README] = blocks(ROOT / "README.md", "snakemake")


@pytest.fixture
def other(tmp_path):
    """Another workflow, with this one in a folder of its own, an own table in it, and the sizes of the tiny run."""
    folder = tmp_path / "other"
    Project.copy_to(folder / "curvature-mtl")
    shutil.copy(ROOT / "docs/examples/molecules.csv", folder)
    tiny = yaml.safe_load((ROOT / "config/tiny.yaml").read_text())
    tasks = {"gap": {"unit": "eV"}, "dipole": {"unit": "debye"}}
    table = {"file": "molecules.csv", "smiles": "smiles", "tasks": tasks}
    del tiny["consistency"]
    study = tiny | {"datasets": {"molecules": {"source": "table", "table": table}}}
    (folder / "study.yaml").write_text(yaml.safe_dump({"curvature": study}))
    (folder / "Snakefile").write_text(OTHER + AS_IN_THE_README)
    return Project(folder)


def test_another_workflow_makes_a_figure_of_ours_under_its_prefix(other):
    run = other.snakemake("--cores", "2")
    assert run.returncode == 0, run.stdout
    figure = other.folder / "study/figures/tiny/stl_vs_mtl.png"
    assert (other.folder / "mine.png").read_bytes() == figure.read_bytes()
    made = {path.name for path in other.folder.iterdir()} - {".snakemake", ".cache"}
    assert made == {"curvature-mtl", "study", "study.yaml", "Snakefile", "molecules.csv", "mine.png"}, "nothing strays"
    assert sorted(path.name for path in (other.folder / "study").iterdir()) == ["figures", "results"]
    assert not (other.folder / "curvature-mtl/results").exists()
    assert other.planned_jobs() == {}
    # Every rule of the other name is found by the provenance, and none of the other workflow.
    run = other.snakemake("--cores", "1", "--printshellcmds", "--dry-run", "--", "study/results/tiny/provenance.json")
    [command] = [line for line in run.stdout.splitlines() if "commands.provenance" in line]
    assert '"curvature_train": "*/*/seed*/train-*-*.tsv"' in command
    assert "--benchmarks study/results/tiny/benchmark" in command
    assert '"mine"' not in command
    assert "curvature_provenance" not in command.partition("--patterns")[2].partition("--device")[0]


def test_the_catalogue_finds_the_whole_run_in_its_standard_place(tmp_path):
    project = Project.copy_to(tmp_path / "project")
    standard = project.planned_jobs("--snakefile", "workflow/Snakefile", *TINY)
    ours = project.planned_jobs(*TINY)
    assert standard.pop("whole_run") == ours.pop("all") == 1
    assert standard == ours
