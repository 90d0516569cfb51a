"""The whole workflow on the tiny run, once; then what reruns after which change."""

import itertools
import json
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from PIL import Image

from browser import EXECUTABLE, WITHOUT, browser
from curvature_mtl.files import sha256_of_file
from curvature_mtl.redact import KEY_VARIABLE
from page_check import check_page
from workflow.project import TINY, Project

SECTIONS = {
    "1_data_and_graphs": {"example_graphs", "data_overview"},
    "2_stl_against_mtl": {"stl_vs_mtl"},
    "3_spectra": {"spectral_density", "log_spectral_density", "outliers"},
    "4_curvature_and_transfer": {
        "curvature_vs_transfer",
        "rank_correlation",
        "conflict",
        "curvature_along_training",
    },
    "5_training": {"method_gains", "delta_m_vs_cost", "weights_along_training", "learning_curves"},
    "6_physical_consistency": {
        "consistency_energies",
        "consistency_gains",
        "consistency_examples",
        "consistency_curvature",
    },
    "7_numerics": {"numerics", "probe_convergence", "subset_convergence"},
}
FIGURES = set.union(*SECTIONS.values())
COLUMNS = {
    "accuracy": "dataset split method task seed unit n_test mae mad",
    "summary": "dataset split method task unit n_seeds mae_mean mae_sd is_best",
    "delta_m": "dataset split method seed delta_m_percent tasks_better n_tasks",
    "gains": "dataset split method task n_seeds n_test change_percent lower_percent upper_percent sd_over_seeds",
    "comparisons": "dataset split asks method against n_seeds delta_m_percent lower_percent upper_percent "
    "sd_over_seeds seeds_lower_percent seeds_upper_percent tasks_better tasks_worse n_tasks",
    "training_cost": "dataset split method seed passes products models parameters",
    "curvature": "dataset split model epoch task seed block operator loss n_graphs lambda_max lambda_min trace "
    "trace_se trace_settled n_products",
    "extremal_eigenvalues": "dataset split model task seed lambda_max lambda_max_residual lambda_max_settled "
    "lambda_min lambda_min_residual lambda_min_settled asymmetry orthogonality_loss",
    "curvature_quantities": "dataset split model epoch task seed block operator quantity value error n_products "
    "n_probes",
    "outliers": "dataset split model task seed end rank ritz_value residual is_apart",
    "rank_correlation": "dataset split model method quantity given n_tasks n_seeds spearman ci_low ci_high",
    "subset_convergence": "dataset split model epoch task seed operator quantity n_graphs is_configured value "
    "error_probes error_graphs difference difference_error n_blocks n_probes n_products",
    "curvature_along_training": "dataset split model epoch task seed is_solution quantity value error n_graphs "
    "n_products n_probes",
    "numerics": "dataset split model epoch task seed check quantity n_probes n_graphs value",
    "consistency": "dataset split setting seed generation metric mean min n difference_to_control ci_low ci_high",
    "consistency_curvature": "dataset split seed setting quantity loss other_loss value error n_molecules",
    "conflict": "dataset split model epoch seed measure task_a task_b value error",
}

KEY = "0123456789abcdefghijABCDEFGHIJxy"
# Networks of each method.
SIZES = {"stl": 3, "equal": 1}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project.copy_to(tmp_path_factory.mktemp("tiny") / "project")


@pytest.fixture(scope="module")
def first_run(project):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        run = project.snakemake("--cores", "2", *TINY)
    assert run.returncode == 0, run.stdout
    return run.stdout


@pytest.fixture
def edited(project, first_run):
    """The project after its run, with every edit of the test undone at its end."""
    edits = [*project.folder.glob("workflow/**/*.py"), *project.folder.glob("notebooks/*.ipynb")]
    before = {path: path.read_bytes() for path in edits}
    yield project
    for path, content in before.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def test_is_small(project):
    assert sum(project.planned_jobs(*TINY).values()) <= 45


def test_says_that_it_is_the_sample(first_run):
    assert first_run.count("This is the sample") == 2, "the start banner and the closing message"
    assert "--configfile config/paper.yaml" in first_run


def test_the_key_of_the_materials_project_is_in_no_file(project, first_run):
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in first_run


def test_draws_every_figure_as_pdf_and_png(project, first_run):
    drawn = {path.name for path in (project.folder / "figures/tiny").iterdir()}
    assert drawn == {f"{name}.{ending}" for name in FIGURES for ending in ("pdf", "png")}


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_promised_columns(project, first_run, name):
    table = pd.read_csv(project.folder / f"results/tiny/tables/{name}.csv")
    assert list(table.columns) == COLUMNS[name].split()
    assert len(table) > 0


def test_training_curves_hold_every_network_epoch_and_task(project, first_run):
    curves = pd.read_parquet(project.folder / "results/tiny/tables/training_curves.parquet")
    networks = curves.groupby(["dataset", "method"])["model"].nunique()
    assert networks.to_dict() == {
        (dataset, method): n for dataset in ("sample_molecules", "sample_alloys") for method, n in SIZES.items()
    }
    assert len(curves) == 2 * len(SIZES) * 3 * 10, "datasets, methods, tasks, epochs"
    assert not curves.isna().any().any()


def test_markdown_tables_name_run_and_data_and_mark_the_sample(project, first_run):
    for table in (project.folder / "results/tiny/tables").glob("*.md"):
        assert "run tiny: sample_molecules" in table.read_text()
        assert table.read_text().count("SAMPLE") == 2, "both datasets are samples"


def test_the_provenance_has_every_job_and_digest_and_the_figures_name_run_and_data(project, first_run):
    found = json.loads((project.folder / "results/tiny/provenance.json").read_text())
    files = [path for path in (project.folder / "results/tiny/benchmark").rglob("*.tsv") if path.stem != "provenance"]
    assert sum(rule["jobs"] for rule in found["rules"].values()) == len(files)
    assert found["rules"]["train"]["jobs"] == 4
    assert found["config"]["training"]["batch_size"] == 16
    store = project.folder / "results/tiny/sample_alloys/graphs.safetensors"
    assert found["data"]["sample_alloys"]["graphs_sha256"] == sha256_of_file(store)
    with Image.open(project.folder / "figures/tiny/conflict.png") as figure:
        said = figure.text["Description"]
    assert said.startswith("run tiny: sample_molecules ")
    assert said.endswith("; commit unknown"), "the copy of the project is no checkout"
    assert found["data"]["sample_molecules"]["raw_sha256"][:12] in said


def test_another_mirror_reruns_nothing(project, first_run):
    assert project.planned_jobs(*TINY, "--config", "mirror=/nowhere") == {}


def test_measures_three_tasks_of_each_dataset_at_three_models(project, first_run):
    curvature = pd.read_csv(project.folder / "results/tiny/tables/curvature.csv")
    tasks = curvature.groupby(["dataset", "model"])["task"].nunique()
    assert tasks.to_dict() == {
        (dataset, model): 3 for dataset in ("sample_molecules", "sample_alloys") for model in ("init", "stl", "equal")
    }
    assert (curvature["lambda_max"] > curvature["lambda_min"]).all()


def test_a_second_run_has_nothing_to_do(project, first_run):
    run = project.snakemake("--cores", "2", *TINY)
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout


def test_the_notebooks_show_every_figure_with_what_it_tells(project, first_run):
    for section, figures in SECTIONS.items():
        notebook = nbformat.read(project.folder / f"results/tiny/notebooks/{section}.ipynb", as_version=4)
        told = [
            output.data["text/markdown"]
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if "text/markdown" in output.get("data", {})
        ]
        assert all(any(text.startswith(f"**Figure `{name}`.** ") for text in told) for name in figures)
        # The study of physical consistency has one dataset, and findings on its structures and losses.
        begins = "**The cheap structures**" if section == "6_physical_consistency" else "**sample_"
        n_findings = 1 if section == "6_physical_consistency" else 2
        assert sum(text.startswith(begins) for text in told) >= n_findings, "a finding for each dataset"


def test_a_lost_figure_reruns_its_section_alone(project, first_run):
    figure = project.folder / "figures/tiny/stl_vs_mtl.pdf"
    content = figure.read_bytes()
    figure.unlink()
    try:
        assert project.planned_jobs(*TINY, "--", "figures/tiny/stl_vs_mtl.pdf") == {"section_2_stl_against_mtl": 1}
    finally:
        project.snakemake("--cores", "1", *TINY)
    assert figure.read_bytes() == content


def test_a_notebook_that_fails_leaves_its_trace_and_the_next_run_repairs_it(edited):
    figure, notebook = edited.folder / "figures/tiny/stl_vs_mtl.pdf", "notebooks/2_stl_against_mtl.ipynb"
    trace = edited.folder / "results/tiny/logs" / notebook
    drawn, source = figure.read_bytes(), (edited.folder / notebook).read_bytes()
    edited.edit(notebook, "section = Section(", "1 / 0; section = Section(")
    run = edited.snakemake("--cores", "1", *TINY, "--", "figures/tiny/stl_vs_mtl.pdf")
    assert run.returncode == 1
    assert "2_stl_against_mtl.ipynb: cell 3 failed with ZeroDivisionError: division by zero" in run.stdout
    errors = [output for cell in nbformat.read(trace, as_version=4).cells for output in cell.get("outputs", [])]
    assert [error.ename for error in errors if error.output_type == "error"] == ["ZeroDivisionError"]
    (edited.folder / notebook).write_bytes(source)
    run = edited.snakemake("--cores", "1", *TINY, "--", "figures/tiny/stl_vs_mtl.pdf")
    assert run.returncode == 0, run.stdout
    assert figure.read_bytes() == drawn
    assert trace.read_bytes() == b"", "gone, but for the empty file that Snakemake makes of a missing log"


def test_a_single_figure_needs_no_curvature(project):
    jobs = project.planned_jobs(*TINY, "--forceall", "--", "figures/tiny/stl_vs_mtl.pdf")
    assert "curvature" not in jobs
    assert [name for name in jobs if name.startswith("section_")] == ["section_2_stl_against_mtl"]


def test_a_comment_in_the_package_reruns_nothing(edited):
    edited.edit("workflow/curvature_mtl/training/fit.py", "import math\n", "import math  # for the number of steps\n\n")
    assert edited.planned_jobs(*TINY) == {}


def test_an_edit_of_the_training_code_reruns_training_and_what_follows(edited):
    edited.edit("workflow/curvature_mtl/training/fit.py", "betas=(0.9, 0.99)", "betas=(0.9, 0.98)")
    jobs = edited.planned_jobs(*TINY)
    assert jobs["train"] == 4
    assert {"evaluate", "curvature", "accuracy_tables", "curvature_tables", "section_3_spectra"} <= set(jobs)
    assert not {"make_sample_molecules", "make_sample_alloys", "featurize", "split"} & set(jobs)


def test_an_edit_of_the_plot_style_reruns_the_sections_alone(edited):
    edited.edit("workflow/curvature_mtl/reporting/style.py", "FULL_WIDTH = 7.0", "FULL_WIDTH = 6.9")
    assert edited.planned_jobs(*TINY) == {
        **{f"section_{name}": 1 for name in SECTIONS},
        "page": 1,
        "provenance": 1,
        "all": 1,
    }


def test_the_report_can_be_made(project, first_run):
    run = project.snakemake(*TINY, "--report", "report.zip")
    assert run.returncode == 0, run.stdout
    with zipfile.ZipFile(project.folder / "report.zip") as report:
        html = report.read("report/report.html").decode()
        files = set(report.namelist())
    entries = {name: decoded(html, name) for name in ("results", "categories")}
    assert entries["categories"].keys() == {section.replace("_", " ") for section in SECTIONS}
    for figures in SECTIONS.values():
        for figure, ending in itertools.product(figures, ("pdf", "png")):
            entry = entries["results"][f"figures/tiny/{figure}.{ending}"]
            assert entry["labels"].keys() == {"figure", "file"}
            assert entry["labels"]["file"] == ending
            assert len(entry["caption"]) > 100
            assert f"report/{entry['data_uri']}" in files
    assert "sample_molecules" in decoded(html, "workflow_desc")


def decoded(html, name):
    """Return the value of a variable in the script of Snakemake's report."""
    return json.JSONDecoder().raw_decode(html[html.rindex(f"var {name} = ") :].partition("= ")[2])[0]


def test_the_page_names_nothing_that_is_not_there_and_shows_every_figure(project, first_run):
    page = check_page(project.folder / "results/tiny/index.html")
    shown = {Path(source).stem for source in page.values("src") if not source.startswith("data:")}
    assert shown == FIGURES
    assert {f"table-{name}" for name in COLUMNS} <= set(page.values("id"))
    assert "SAMPLE data" in (project.folder / "results/tiny/index.html").read_text()


@pytest.mark.skipif(EXECUTABLE is None, reason=WITHOUT)
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_opens_in_a_browser_with_nothing_broken_and_nothing_too_wide(project, first_run, tmp_path, width):
    with browser(tmp_path) as chromium:
        seen = chromium.open(project.folder / "results/tiny/index.html", width)
    assert seen.complaints == []
    assert 0 not in seen.images.values()
    assert (seen.measures["viewport"], seen.measures["wide"]) == (width, [])
