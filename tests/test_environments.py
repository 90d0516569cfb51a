"""The conda environments pin exactly, and what they share with the lock file has the same version."""

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml

from curvature_mtl.fingerprint import _closure, _file_of

ROOT = Path(__file__).parents[1]
ON_PYPI = {
    "matplotlib-base": "matplotlib",
    "pytorch": "torch",
    "pytorch_geometric": "torch-geometric",
    "snakemake-minimal": "snakemake",
    "tblite-python": "tblite",
}
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
# Python, its installer, and what curvlinops names as needed though nothing of ours imports it.
BEYOND_THE_LOCK = {"python", "pip", "backpack-for-pytorch", "torchvision", "unfoldnd"}
IMPORTED_AS = {"curvlinops-for-pytorch": "curvlinops", "pyyaml": "yaml", "torch-geometric": "torch_geometric"}
# The query of the Materials Project has an environment, and so a lock file, of its own.
LOCK_FILES = {"mp_api": "requirements-mp-api.lock"}


def locked(environment: str) -> dict[str, str]:
    """Return the locked version of each package, by its name in lower case with hyphens."""
    text = (ROOT / LOCK_FILES.get(environment, "requirements.lock")).read_text()
    return {normal(name): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", text, re.MULTILINE)}


def normal(name: str) -> str:
    """Return opt_einsum and Opt-Einsum as the same."""
    return name.lower().replace("_", "-")


def numbers(version: str) -> list[int]:
    """Return 2026.03.4 and 2026.3.4 as the same."""
    return [int(part) for part in re.findall(r"\d+", version)]


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_every_package_is_pinned_to_the_version_of_the_lock(path: Path) -> None:
    versions = locked(path.stem)
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    by_pip = [name for group in dependencies if isinstance(group, dict) for name in group["pip"]]
    for dependency in [*(entry for entry in dependencies if isinstance(entry, str)), *by_pip]:
        name, version = re.fullmatch(r"(\S+) ==(\S+)", dependency).groups()
        name = normal(ON_PYPI.get(name, name))
        if name not in BEYOND_THE_LOCK:
            assert numbers(versions[name]) == numbers(version), dependency


def test_every_rule_with_a_shell_names_an_environment() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    named = re.findall(r'conda:\n\s+"../../(envs/\w+\.yaml)"', rules)
    assert len(named) == rules.count("    shell:")
    assert all((ROOT / path).exists() for path in named)


def imported_packages(command: str) -> set[str]:
    """Return the packages from elsewhere that a command and the modules behind it import when it starts."""
    found = set()
    for module in _closure(f"curvature_mtl.commands.{command}"):
        for node in ast.parse(_file_of(module).read_text()).body:
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"curvature_mtl"}


def commands_by_environment() -> list[tuple[str, str]]:
    rules = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    return re.findall(r'envs/(\w+)\.yaml".*?curvature_mtl\.commands\.(\w+)', rules, re.DOTALL)


@pytest.mark.parametrize(("environment", "command"), commands_by_environment())
def test_an_environment_holds_what_its_commands_import(environment: str, command: str) -> None:
    declared = re.findall(r"^ +- (\S+) ==", (ROOT / f"envs/{environment}.yaml").read_text(), re.MULTILINE)
    packages = [normal(ON_PYPI.get(name, name)) for name in declared]
    names = {IMPORTED_AS.get(name, name) for name in packages}
    # jupyter_client and traitlets come with papermill, which needs them.
    names |= {"jupyter_client", "traitlets"} if "papermill" in names else set()
    assert imported_packages(command) <= names
