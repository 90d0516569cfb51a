"""The sample's raw file: what its maker could not label is rejected with the maker's reason."""

from pathlib import Path

import pytest

from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.datasets.sample_files import read_sample_molecules
from curvature_mtl.errors import UserError

TASKS = [task.name for task in SOURCES["sample_molecules"].tasks]


def test_a_row_with_the_makers_reason_is_rejected_for_it(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    rows = [["smiles", *TASKS, "reject_reason"], ["C", *"1" * 12, ""], ["CC", *[""] * 12, "no 3D embedding"]]
    path.write_text("\n".join(",".join(row) for row in rows))
    raw = read_sample_molecules(path)
    assert raw.identifiers == ["C"]
    assert raw.rejects.rows == [(2, "CC", "no 3D embedding")]


def test_a_file_without_the_makers_reasons_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_text("\n".join([",".join(["smiles", *TASKS]), ",".join(["C", *"1" * 12])]))
    with pytest.raises(UserError, match=r"sample.csv: no column reject_reason; the file has smiles, gap-GFN1"):
        read_sample_molecules(path)
