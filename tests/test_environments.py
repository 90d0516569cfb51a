"""The conda environments pin exactly, and what they share with the lock file has the same version."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ON_PYPI = {
    "matplotlib-base": "matplotlib",
    "pytorch": "torch",
    "snakemake-minimal": "snakemake",
    "tblite-python": "tblite",
}
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
LOCK = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", (ROOT / "requirements.lock").read_text().lower(), re.MULTILINE))


def numbers(version: str) -> list[int]:
    """Return 2026.03.4 and 2026.3.4 as the same."""
    return [int(part) for part in version.split(".")]


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_every_package_is_pinned_to_the_version_of_the_lock(path: Path) -> None:
    for dependency in yaml.safe_load(path.read_text())["dependencies"]:
        name, version = re.fullmatch(r"(\S+) ==(\S+)", dependency).groups()
        if name != "python":
            assert numbers(LOCK[ON_PYPI.get(name, name)]) == numbers(version), dependency


def test_every_rule_with_a_shell_names_an_environment() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    named = re.findall(r'conda:\n\s+"../../(envs/\w+\.yaml)"', rules)
    assert len(named) == rules.count("    shell:")
    assert all((ROOT / path).exists() for path in named)
