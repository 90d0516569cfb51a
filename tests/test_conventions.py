"""What others expect of a repository: the catalogue's standard, a valid citation, hooks and CI that are our own."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import curvature_mtl

ROOT = Path(__file__).parents[1]
CI = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_the_catalogue_finds_what_its_standard_asks_for() -> None:
    settings = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert list(settings) == ["usage"]
    assert set(settings["usage"]) <= {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(settings["usage"]["software-stack-deployment"]) <= {"conda", "apptainer", "apptainer+conda"}
    assert 'include: "../Snakefile"' in (ROOT / "workflow/Snakefile").read_text()
    assert (ROOT / "config/README.md").is_file()
    assert list((ROOT / "workflow/rules").glob("*.smk"))
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme


def test_the_citation_has_what_its_schema_requires_and_the_version_of_the_code() -> None:
    """The whole file was checked with cffconvert against the schema 1.2.0."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == curvature_mtl.__version__
    assert citation["license"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert f"## {curvature_mtl.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", CI, ids=lambda path: path.name)
def test_continuous_integration_calls_make_alone(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    jobs = yaml.safe_load(path.read_text())["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert runs
    for command in runs:
        program, *asked = command.split()
        assert program == "make"
        assert set(asked) <= targets, command
    assert all(job["timeout-minutes"] for job in jobs.values())


def test_hooks_call_tools_that_the_lock_file_pins() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    [own] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert own["repo"] == "local", "no tool of another version"
    for hook in own["hooks"]:
        assert hook["language"] == "system"
        tool = re.match(r"\.venv/bin/(\S+)", hook["entry"])[1]
        assert re.search(rf"^{tool}==", lock, re.MULTILINE), tool
        for path in re.findall(r"tests/\S+", hook["entry"]):
            assert (ROOT / path).is_file()
