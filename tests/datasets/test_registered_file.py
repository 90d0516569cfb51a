"""What was downloaded is checked again by whatever reads it at the start of a run."""

import argparse
from pathlib import Path

import pytest

from curvature_mtl.commands import assemble_mp_2020
from curvature_mtl.datasets.entry import dataset_entry
from curvature_mtl.datasets.readers import verify_raw
from curvature_mtl.datasets.registry import SOURCES, Download
from curvature_mtl.errors import UserError

DOWNLOADED = [name for name, source in SOURCES.items() if source.downloads]
LABELS = [Path(download.file).name for download in SOURCES["mp_2020"].downloads[1:]]


@pytest.mark.parametrize("name", DOWNLOADED)
def test_no_source_is_read_from_another_file(name: str, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_text("another file")
    with pytest.raises(UserError, match=rf"^{raw}: not "):
        verify_raw(raw, dataset_entry("mine", {"source": name}))


@pytest.mark.parametrize("wrong", LABELS)
def test_no_labels_are_joined_from_another_file(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / name for name in LABELS]
    checked = []

    def check(path: Path, download: Download) -> None:
        checked.append((path.name, download.file))
        if path.name == wrong:
            raise UserError(f"{path}: refused")

    monkeypatch.setattr(assemble_mp_2020, "verify_file", check)
    [*energies, warnings, elasticity] = files
    arguments = argparse.Namespace(
        archive=tmp_path / "none", energies=energies, elasticity_warnings=warnings, elasticity=elasticity
    )
    with pytest.raises(UserError, match=rf"^{tmp_path}/{wrong}: refused$"):
        assemble_mp_2020.main(arguments)
    assert checked == [(name, f"mp/raw/{name}") for name in LABELS[: LABELS.index(wrong) + 1]]
