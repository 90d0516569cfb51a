"""The commands that check claims, as a user runs them: exit codes, outputs, and errors of one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from curvature_mtl.files import write_json, write_table

ROOT = Path(__file__).parents[2]
SUMMARY = {"dataset": "mine", "source": "qm8", "kind": "molecule", "is_sample": False, "raw_sha256": "0123456789abcdef"}
KEY = {"dataset": "mine", "split": "random", "method": "equal"}
DELTA_M = pd.DataFrame([KEY | {"seed": s, "delta_m_percent": x} for s, x in enumerate((-3.1, -2.9, -3.0))])


def run(command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"curvature_mtl.commands.{command}", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with one table, and the committed claims."""
    write_table(tmp_path / "tables/delta_m.csv", DELTA_M)
    write_json(tmp_path / "dataset.json", SUMMARY)
    shutil.copy(ROOT / "workflow/claims.yaml", tmp_path)
    return tmp_path


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    files = ["--claims", folder / "claims.yaml", "--tables", folder / "tables/delta_m.csv"]
    outputs = ["--json", folder / "claims.json", "--markdown", folder / "claims.md", "--log", folder / "log"]
    return run("claims", "--run", "r", *files, "--summaries", folder / "dataset.json", *outputs)


def test_a_claim_that_fails_is_written_and_printed_and_no_error(folder: Path) -> None:
    done = check(folder)
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads((folder / "claims.json").read_text())
    assert written["run"] == "r"
    committed = yaml.safe_load((folder / "claims.yaml").read_text())["claims"]
    assert [verdict["id"] for verdict in written["verdicts"]] == [claim["id"] for claim in committed]
    [first, second] = written["verdicts"][:2]
    assert (first["verdict"], first["value"], first["n_seeds"]) == ("fails", pytest.approx(-3), 3)
    assert (second["verdict"], second["reason"]) == ("not applicable", "no table gains")

    text = (folder / "claims.md").read_text()
    assert text.count("\n| ") == 1 + len(committed)
    assert text.endswith("\n\nrun r: mine 0123456789ab\n")

    shown = run("verify", "--claims", folder / "claims.json", "--log", folder / "log")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[3].split() == f"{first['id']} mine, random fails -3 [-3.25, -2.75] % above 0".split()
    assert lines[-2] == f"0 holds, 1 fails, 0 undecided, {len(committed) - 1} not applicable"


def test_the_same_tables_give_the_same_bytes(folder: Path) -> None:
    check(folder)
    first = [(folder / name).read_bytes() for name in ("claims.json", "claims.md")]
    check(folder)
    assert [(folder / name).read_bytes() for name in ("claims.json", "claims.md")] == first


def test_a_mistake_in_the_claims_is_one_line(folder: Path) -> None:
    text = (folder / "claims.yaml").read_text()
    (folder / "claims.yaml").write_text(text.replace("statistic: mean", "statistic: average", 1))
    failed = check(folder)
    assert failed.returncode == 1
    [line] = failed.stderr.splitlines()
    assert "claims.yaml: claims[equal_loses_on_average].quantity.statistic: 'average' is not one of" in line
    assert not (folder / "claims.json").exists()


def compare(folder: Path) -> subprocess.CompletedProcess[str]:
    tolerances = ["--tolerances", ROOT / "workflow/reference_tolerances.yaml", "--log", folder / "log"]
    return run("verify_reference", "--reference", folder / "reference", "--tables", folder / "tables", *tolerances)


def test_tables_that_agree_with_the_reference(folder: Path) -> None:
    write_table(folder / "reference/delta_m.csv", DELTA_M.assign(delta_m_percent=DELTA_M["delta_m_percent"] + 0.5))
    done = compare(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "agrees with" in done.stdout


def test_a_number_that_drifted_is_named_and_an_error(folder: Path) -> None:
    drifted = DELTA_M.assign(delta_m_percent=[-3.1, 20.5, -3.0])
    write_table(folder / "reference/delta_m.csv", drifted)
    failed = compare(folder)
    assert failed.returncode == 1
    assert failed.stdout.splitlines() == [
        "delta_m.csv: dataset mine, split random, method equal, seed 1: delta_m_percent: reference 20.5, found -2.9, "
        "tolerance 3 + 0 * |reference|"
    ]
    [line] = failed.stderr.splitlines()
    assert line.startswith("ERROR: 1 difference(s) beyond tolerance between ")


def test_without_a_reference_it_says_so(folder: Path) -> None:
    failed = compare(folder)
    assert (failed.returncode, failed.stdout) == (1, "")
    [line] = failed.stderr.splitlines()
    assert line.startswith(f"ERROR: no reference for this run: {folder}/reference has no tables. ")
