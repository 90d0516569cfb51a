"""What a user sees who makes a mistake: one clear line, exit code 1, no traceback."""

import pytest

from curvature_mtl.datasets.registry import SOURCES
from workflow.project import Project

QM8 = ("--configfile", "config/qm8.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project.copy_to(tmp_path_factory.mktemp("mistakes") / "project")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=3", "'epochs' was unexpected"),
        ("seeds=three", "seeds: 'three' is not of type 'array'"),
        ('methods=["pcgrid"]', "methods: 'pcgrid' is unknown and has no settings; allowed: equal, uncertainty"),
        (
            'datasets={"q":{"source":"qm9"}}',
            "source: 'qm9' is unknown; allowed: sample_molecules, sample_alloys, qm8, mp_2020",
        ),
        ('datasets={"q":{"source":"qm8","tasks":["E3-CC2"]}}', "tasks: 'E3-CC2' is unknown; allowed: E1-CC2,"),
        (
            'datasets={"q":{"source":"qm8","splits":["formula"]}}',
            "splits: 'formula' is unknown; allowed: random, scaffold",
        ),
        (
            'datasets={"q":{"source":"table","table":{"file":"no.csv","smiles":"s","tasks":{"y":{"unit":"eV"}}}}}',
            "no such table: no.csv",
        ),
    ],
)
def test_a_wrong_setting_stops_before_any_job(project, setting, message):
    run = project.snakemake("--cores", "1", "--config", setting)
    assert run.returncode == 1
    [line] = [line for line in run.stdout.splitlines() if line.startswith("config: ")]
    assert message in line
    assert "Traceback" not in run.stdout


def test_a_changed_byte_in_a_mirrored_file_is_refused(project, tmp_path):
    download = SOURCES["qm8"].downloads[0]
    mirrored = tmp_path / download.file
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(b"x" * download.size)
    run = project.snakemake(
        "--cores", "1", *QM8, "--config", f"mirror={tmp_path}", "--", f"results/downloads/{download.file}"
    )
    assert run.returncode == 1
    assert str(mirrored) in run.stdout
    assert download.sha256 in run.stdout
    assert "Traceback" not in run.stdout
    assert not (project.folder / "results/downloads" / download.file).exists()
