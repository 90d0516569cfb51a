"""The targets that check a run: what they need, and what they do where nothing can be compared."""

import pytest

from curvature_mtl.files import write_json
from curvature_mtl.reporting.claims_file import load_claims, tables_of
from workflow.project import TINY, Project

TABLES = "results/tiny/tables"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project.copy_to(tmp_path_factory.mktemp("verify") / "project")


def test_verify_needs_the_tables_of_its_claims_and_no_figure(project):
    jobs = project.planned_jobs(*TINY, "--", "verify")
    assert {"accuracy_tables", "curvature_tables", "claims", "verify"} <= set(jobs)
    assert not any(job.startswith("section_") for job in jobs)


def test_verify_prints_the_verdicts_each_time_and_a_failed_claim_is_no_error(tmp_path):
    project = Project.copy_to(tmp_path / "project")
    rows = ["dataset,split,seed,model,measure,task_a,task_b,value"]
    # Tasks of one property overlap less than those of two: the claim fails.
    for seed in (0, 1, 2):
        for pair, value in (("gap-A,gap-B", 0.1), ("gap-A,dipole-A", 0.9)):
            rows.append(f"sample_molecules,random,{seed},equal,hessian_cosine,{pair},{value + seed / 100}")
    tables = project.folder / TABLES
    tables.mkdir(parents=True)
    for name in tables_of(load_claims(project.folder / "workflow/claims.yaml")):
        (tables / f"{name}.csv").write_text("\n".join(rows) + "\n" if name == "conflict" else "dataset,split,seed\n")
    for name, kind in (("sample_molecules", "molecule"), ("sample_alloys", "crystal")):
        summary = {"dataset": name, "source": name, "kind": kind, "is_sample": True, "raw_sha256": "0" * 64}
        write_json(project.folder / f"results/tiny/{name}/dataset.json", summary)
    for jobs in (2, 1):
        # The tables are there: no rule that makes them may run.
        run = project.snakemake("--cores", "1", *TINY, "--allowed-rules", "claims", "verify", "--", "verify")
        assert run.returncode == 0, run.stdout
        assert f"{jobs} of {jobs} steps" in run.stdout
        [line] = [line for line in run.stdout.splitlines() if line.startswith("same_property_overlaps_more")]
        assert line.split()[1:5] == ["sample_molecules,", "random", "(SAMPLE)", "fails"]
        assert "0 holds, 1 fails, 0 undecided, " in run.stdout
    assert "**fails**" in (project.folder / "results/tiny/claims.md").read_text()


def test_without_a_reference_nothing_runs_but_the_message(project):
    run = project.snakemake("--cores", "1", *TINY, "--", "verify_reference")
    assert run.returncode == 1
    assert "no reference for this run: results/reference/tiny has no tables" in run.stdout
    assert "Traceback" not in run.stdout
    assert not (project.folder / TABLES).exists()


def test_with_a_reference_all_tables_are_regenerated(project):
    reference = project.folder / "results/reference/tiny/delta_m.csv"
    reference.parent.mkdir(parents=True)
    reference.write_text("dataset\n")
    try:
        assert {"data_tables", "accuracy_tables", "curvature_tables"} <= set(
            project.planned_jobs(*TINY, "--", "verify_reference")
        )
    finally:
        reference.unlink()


def test_a_mistake_in_the_claims_stops_before_any_job(project):
    project.edit("workflow/claims.yaml", "    relation: above\n", "    relation: over\n")
    try:
        run = project.snakemake("--dry-run", *TINY, "--", "verify")
    finally:
        project.edit("workflow/claims.yaml", "    relation: over\n", "    relation: above\n")
    assert run.returncode == 1
    assert "workflow/claims.yaml: claims[equal_loses_on_average].relation: 'over' is not one of" in run.stdout
    assert "Traceback" not in run.stdout
