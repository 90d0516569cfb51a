"""Where a run's numbers come from: its data, packages, machine and seconds.

Nothing here reads an environment variable, a user's or a host's name: the file is meant to be passed on.
"""

import csv
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.files import sha256_of_file

# Those that pyproject.toml names.
PACKAGES = (
    "ase",
    "filelock",
    "gemmi",
    "jinja2",
    "jsonschema",
    "markupsafe",
    "matplotlib",
    "mistune",
    "nbformat",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "pymatgen",
    "pyyaml",
    "rdkit",
    "requests",
    "safetensors",
    "scipy",
    "seaborn",
    "snakemake",
    "tabulate",
    "tblite",
    "torch",
    "torch-geometric",
    "torchjd",
    "tqdm",
    "urllib3",
)
ABOUT_DATA = ("source", "is_sample", "raw_sha256", "n_graphs", "n_rejected", "n_labels_dropped")


def data_digests(summary: dict[str, Any], graphs: Path) -> dict[str, Any]:
    """Return a dataset's source, sizes and sha256: of its raw file, of the graph store, and of each download.

    A download is `null` if the bytes of the archive are not stable; what it holds is checked when it is read.
    """
    source = SOURCES.get(summary["source"])
    return {
        **{key: summary[key] for key in ABOUT_DATA},
        "graphs_sha256": sha256_of_file(graphs),
        "downloads": {download.file: download.sha256 for download in source.downloads} if source else {},
    }


def package_versions() -> dict[str, str | None]:
    """Return the version of each package that the project needs, `None` where this environment has none."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> dict[str, Any]:
    """Return platform, CPU model, number of logical cores, and memory in GiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
    }


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def device_name(device: str) -> str:
    """Return `cpu`, or the name of the CUDA device."""
    if device == "cpu":
        return device
    import torch

    return torch.cuda.get_device_name(device)


def seconds_per_rule(folder: Path, patterns: dict[str, str]) -> dict[str, dict[str, float]]:
    """Return for each rule that ran how many jobs it had, and the sum of their seconds.

    A job that was killed and resumed counts with the seconds of its last start.

    Args:
        folder: Snakemake's benchmark files (.tsv).
        patterns: glob of each rule's files below the folder.
    """
    measured = {rule: [_seconds(path) for path in sorted(folder.glob(glob))] for rule, glob in patterns.items()}
    return {rule: {"jobs": len(s), "seconds": round(sum(s), 2)} for rule, s in measured.items() if s}


def _seconds(path: Path) -> float:
    with open(path, encoding="utf-8", newline="") as file:
        return sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
