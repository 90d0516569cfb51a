"""The command as a user runs it: exit codes, the rejects table, and errors of one line."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.graphs.store import GraphStore

REGISTERED = SOURCES["qm8"].download
LABELS = [
    "smiles",
    *(f"{name}-{level}" for level in ("CC2", "PBE0", "PBE0", "CAM") for name in ("E1", "E2", "f1", "f2")),
]
NUMBERS = ["0.5"] * 16
ROWS = [["CCO", *NUMBERS], ["C1CC", *NUMBERS], ["C", *NUMBERS[1:], "x"], ["c1ccccc1", *NUMBERS]]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "qm8.csv"
    path.write_text("\n".join(",".join(row) for row in [LABELS, *ROWS]))
    return path


def featurize(raw: Path, *options: str) -> subprocess.CompletedProcess[str]:
    outputs = {"graphs": "graphs.safetensors", "table": "graphs.parquet", "rejects": "rejects.csv", "summary": "s.json"}
    files = [part for name, file in outputs.items() for part in (f"--{name}", str(raw.parent / "out" / file))]
    module = "curvature_mtl.commands.featurize"
    command = [
        sys.executable,
        "-m",
        module,
        "--dataset",
        "mine",
        "--source",
        "qm8",
        "--raw",
        str(raw),
        *files,
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=raw.parent, check=False)


def test_bad_rows_are_rejected_and_the_rest_is_featurized(raw: Path) -> None:
    log = raw.parent / "logs" / "featurize.log"
    done = featurize(raw, "--unverified", "--log", str(log))
    assert (done.returncode, done.stdout) == (0, "")
    out = raw.parent / "out"
    assert done.stderr == f"WARNING: {raw}: 2 rows rejected, see {out}/rejects.csv\n"
    rejects = pd.read_csv(out / "rejects.csv")
    assert rejects.to_numpy().tolist() == [
        [2, "C1CC", "SMILES cannot be read by RDKit"],
        [3, "C", "f2-CAM is 'x', not a number"],
    ]
    assert GraphStore.load(out / "graphs.safetensors").targets.shape == (2, 12)
    assert pd.read_parquet(out / "graphs.parquet")["row"].tolist() == [1, 4]
    summary = json.loads((out / "s.json").read_text())
    assert (summary["n_graphs"], summary["n_rejected"], summary["is_sample"]) == (2, 2, False)
    assert summary["raw_sha256"] == hashlib.sha256(raw.read_bytes()).hexdigest()
    assert "rejected row 2 (C1CC): SMILES cannot be read by RDKit" in log.read_text()


def test_a_missing_column_is_one_line_and_exit_code_1(raw: Path) -> None:
    raw.write_text(raw.read_text().replace("f1-CAM", "f1-cam"))
    done = featurize(raw, "--unverified")
    assert done.returncode == 1
    assert done.stderr.startswith(f"ERROR: {raw}: no column f1-CAM; the file has smiles, ")
    assert done.stderr.count("\n") == 1
    assert not (raw.parent / "out").exists()


def test_a_changed_registered_file_is_refused_with_both_digests(raw: Path) -> None:
    done = featurize(raw)
    assert done.returncode == 1
    assert done.stderr.startswith(f"ERROR: {raw}: not the registered file qm8/qm8.csv: ")
    assert hashlib.sha256(raw.read_bytes()).hexdigest() in done.stderr
    assert REGISTERED
    assert REGISTERED.sha256 in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (raw.parent / "out").exists()
