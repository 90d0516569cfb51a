"""The samples' raw files: what their makers could not label has the maker's reason as its objection."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curvature_mtl.datasets.entry import DatasetEntry, dataset_entry
from curvature_mtl.datasets.raw import RawRow
from curvature_mtl.datasets.sample_files import read_sample_alloys, read_sample_molecules
from curvature_mtl.errors import UserError

Reader = Callable[[Path, DatasetEntry], Iterator[RawRow]]
MOLECULES = dataset_entry("mine", {"source": "sample_molecules"})
ALLOYS = dataset_entry("mine", {"source": "sample_alloys"})
CRYSTAL = '{"lattice": {}, "sites": []}'
# Of each sample: its reader, its entry, its columns before the labels, and there a labelled row and an unlabelled one.
SAMPLES = {
    "molecules": (read_sample_molecules, MOLECULES, ["smiles"], ["CCO"], ["CC"]),
    "alloys": (read_sample_alloys, ALLOYS, ["identifier", "structure"], ["AlCu-1", CRYSTAL], ["AlCu-2", ""]),
}
each_sample = pytest.mark.parametrize(("read", "entry", "columns", "good", "bad"), SAMPLES.values(), ids=SAMPLES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sample.csv"


def write(path: Path, *rows: list[str]) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


@each_sample
def test_a_labelled_row_has_its_structure_and_labels(
    path: Path, read: Reader, entry: DatasetEntry, columns: list[str], good: list[str], bad: list[str]
) -> None:
    labels = [str(i) for i in range(len(entry.columns))]
    write(path, [*columns, *entry.columns, "reject_reason"], [*good, *labels, ""])
    [row] = read(path, entry)
    assert (row.row, row.identifier, row.structure) == (1, good[0], good[-1])
    assert [row.cells[column] for column in entry.columns] == labels
    assert row.objection is None


@each_sample
def test_a_row_with_the_makers_reason_has_it_as_its_objection(
    path: Path, read: Reader, entry: DatasetEntry, columns: list[str], good: list[str], bad: list[str]
) -> None:
    empty = [""] * len(entry.columns)
    write(path, [*columns, *entry.columns, "reject_reason"], [*bad, *empty, "not converged"], [*good, *empty, ""])
    unlabelled, labelled = read(path, entry)
    assert unlabelled.objection
    assert (unlabelled.identifier, unlabelled.objection.reason) == (bad[0], "not converged")
    assert labelled.objection is None


@each_sample
@pytest.mark.parametrize("at", [0, 3, -1], ids=["identifier", "label", "reason"])
def test_a_file_without_one_of_the_makers_columns_is_refused(
    path: Path, read: Reader, entry: DatasetEntry, columns: list[str], good: list[str], bad: list[str], at: int
) -> None:
    header = [*columns, *entry.columns, "reject_reason"]
    missing = header.pop(at)
    write(path, header, ["1"] * len(header))
    with pytest.raises(UserError, match=rf"sample.csv: no column {missing}; the file has {header[0]}, "):
        list(read(path, entry))


def test_a_short_row_has_the_objection_of_any_csv_file(path: Path) -> None:
    write(path, ["smiles", *MOLECULES.columns, "reject_reason"], ["C"])
    [row] = read_sample_molecules(path, MOLECULES)
    assert row.objection
    assert row.objection.reason == "not 14 cells, as the header has"
