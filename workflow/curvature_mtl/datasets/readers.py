"""Which reader reads the raw file of which source, and what its content is checked by."""

from collections.abc import Callable, Iterator
from pathlib import Path

from curvature_mtl.datasets.entry import TABLE, DatasetEntry
from curvature_mtl.datasets.mp_2020 import read_mp_2020, verify_joined
from curvature_mtl.datasets.mp_snapshot import read_mp_snapshot
from curvature_mtl.datasets.qm8 import read_qm8
from curvature_mtl.datasets.raw import RawRow
from curvature_mtl.datasets.registered_file import verify
from curvature_mtl.datasets.sample_files import read_sample_alloys, read_sample_molecules
from curvature_mtl.datasets.user_table import read_user_table

READERS: dict[str, Callable[[Path, DatasetEntry], Iterator[RawRow]]] = {
    "sample_molecules": read_sample_molecules,
    "sample_alloys": read_sample_alloys,
    "qm8": read_qm8,
    "mp_2020": read_mp_2020,
    "mp_all_20181018": read_mp_snapshot,
    TABLE: read_user_table,
}


def verify_raw(path: Path, entry: DatasetEntry) -> None:
    """Check that the raw file of a registered source is the registered one.

    Raises:
        UserError: with what was expected and what was found.
    """
    if entry.described.assembled:
        verify_joined(path)
    elif entry.described.downloads:
        verify(path, entry.described.downloads[0])
