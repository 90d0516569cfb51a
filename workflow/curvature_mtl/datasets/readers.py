"""Which reader reads the raw file of which source."""

from collections.abc import Callable
from pathlib import Path

from curvature_mtl.datasets.qm8 import read_qm8
from curvature_mtl.datasets.raw import RawTable
from curvature_mtl.datasets.sample_files import read_sample_molecules

READERS: dict[str, Callable[[Path], RawTable]] = {
    "sample_molecules": read_sample_molecules,
    "qm8": read_qm8,
}
