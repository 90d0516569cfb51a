"""What is written about a run's origin is true, and holds nothing private."""

import json
import re
import tomllib
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from curvature_mtl.commands import provenance as command
from curvature_mtl.reporting import provenance

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
SUMMARY = {
    "dataset": "mine",
    "source": "qm8",
    "is_sample": False,
    "raw_sha256": "0" * 64,
    "n_graphs": 3,
    "n_rejected": 1,
    "n_labels_dropped": 0,
    "tasks": [{"name": "E1-CC2", "unit": "hartree"}],
}


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    """Snakemake's files of five jobs, two of which have no value for the memory."""
    seconds = {"d/random/seed0/train-stl-a": 2.5, "d/random/seed1/train-stl-a": 1.25, "notebooks/conflict": 3.0}
    seconds |= {"notebooks/train": 4.0, "d/random/seed0/train_more": 8.0}
    for name, value in seconds.items():
        path = tmp_path / f"benchmark/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}{value}\t0:00:01\t{'NA' if 'notebooks' in name else 9.5}" + "\t0" * 7 + "\n")
    return tmp_path / "benchmark"


def test_seconds_add_up_over_the_jobs_of_a_rule(benchmarks: Path) -> None:
    patterns = {"train": "*/*/seed*/train-*-*.tsv", "notebook": "notebooks/*.tsv", "never": "never.tsv"}
    assert provenance.seconds_per_rule(benchmarks, patterns) == {
        "train": {"jobs": 2, "seconds": 3.75},
        "notebook": {"jobs": 2, "seconds": 7.0},
    }


def test_the_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    names = [re.match(r"[\w-]+", requirement)[0] for requirement in project["project"]["dependencies"]]
    assert list(provenance.PACKAGES) == names


def test_versions_are_those_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance.package_versions()["numpy"] == np.__version__
    monkeypatch.setattr(provenance, "PACKAGES", ("a-package-that-nobody-made",))
    assert provenance.package_versions() == {"a-package-that-nobody-made": None}


def test_digests_are_of_the_bytes_and_of_the_registered_downloads(tmp_path: Path) -> None:
    (tmp_path / "graphs").write_bytes(b"abc")
    found = provenance.data_digests(SUMMARY, tmp_path / "graphs")
    # FIPS 180-2, appendix B.1
    assert found["graphs_sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found["raw_sha256"] == "0" * 64
    assert found["downloads"] == {"qm8/qm8.csv": "3e70e56805edb2f0796b64f96af9b53dd8cca408d775612d47123f7d2da7d61d"}
    assert provenance.data_digests(SUMMARY | {"source": "table"}, tmp_path / "graphs")["downloads"] == {}


def test_the_device_is_named() -> None:
    assert provenance.device_name("cpu") == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_is_named() -> None:
    assert provenance.device_name("cuda") == torch.cuda.get_device_properties(0).name


def test_the_file_says_whether_there_was_a_mirror_and_neither_where_nor_anything_private(
    tmp_path: Path, benchmarks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURVATURE_MTL_MIRROR", "https://user:password@mirror.example.org")
    monkeypatch.setenv("MP_API_KEY", "a-key-that-nobody-may-see")
    (tmp_path / "dataset.json").write_text(json.dumps(SUMMARY))
    (tmp_path / "graphs").write_bytes(b"abc")
    arguments = Namespace(
        config={"run": "tiny"},
        summaries=[tmp_path / "dataset.json"],
        graphs=[tmp_path / "graphs"],
        benchmarks=benchmarks,
        patterns={"notebook": "notebooks/*.tsv"},
        device="cpu",
        output=tmp_path / "provenance.json",
    )
    command.main(arguments)
    text = (tmp_path / "provenance.json").read_text()
    written = json.loads(text)
    assert written["mirror_given"] is True
    assert written["rules"] == {"notebook": {"jobs": 2, "seconds": 7.0}}
    assert written["machine"]["cores"] > 0
    assert written["data"]["mine"]["n_graphs"] == 3
    for private in ("example.org", "password", "a-key-that", str(tmp_path), str(Path.home())):
        assert private not in text
    monkeypatch.delenv("CURVATURE_MTL_MIRROR")
    command.main(arguments)
    assert json.loads((tmp_path / "provenance.json").read_text())["mirror_given"] is False
