"""mp_2020: structures from an archive and labels from text files, joined on the id, and checked by their content."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.datasets import mp_2020
from curvature_mtl.datasets.entry import dataset_entry
from curvature_mtl.datasets.mp_2020 import (
    ENERGIES,
    LARGEST_MEMBER,
    NUMBERS_TABLE,
    WARNING,
    assemble,
    labels_sha256,
    read_mp_2020,
    read_structures,
    structures_sha256,
    verify,
    verify_joined,
)
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError
from curvature_mtl.files import write_table

FOLDER = "repository-1234"
ENTRY = dataset_entry("mine", {"source": "mp_2020"})
# In the archive the crystals have other numbers than their ids. Crystal 3 is in no other file, mp-10 in no archive.
NUMBERS = "0,mp-20\r\n1,mp-3\r\n2,mp-100\r\n3,mp-4\r\n"
CIFS = {f"data/{i}.cif": f"data_crystal_{i}\n" for i in range(4)}
IDS = ("mp-100", "mp-3", "mp-20", "mp-10")


def elastic_line(identifier: str, formula: str, shear: float, bulk: float, ratio: float) -> str:
    return f"{identifier},{formula},2,3,False,True,121.0,7.7,-2.7,-0.1,{shear},{bulk},-2.5,{ratio}"


def pack(path: Path, members: dict[str, str | bytes], folder: str = FOLDER) -> Path:
    """Write a tar.gz as a public host makes it of a repository: all below one folder."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


class Files:
    """The public files of three crystals, which a test may change before they are joined."""

    def __init__(self, folder: Path):
        self.archive = pack(folder / "archive.tar.gz", {"README.md": "no CIF", NUMBERS_TABLE: NUMBERS, **CIFS})
        self.energies = {name: folder / f"{name}.csv" for name in ENERGIES}
        for number, path in enumerate(self.energies.values()):
            path.write_text("".join(f"{name},{number}.{i}\n" for i, name in enumerate(IDS)))
        self.all_elasticity, self.good_elasticity = folder / "all.csv", folder / "good.csv"
        good, warned = elastic_line("mp-3", "NaN", 13, 28, 0.3), elastic_line("mp-20", "Ac", -7, 5000, -0.75)
        self.all_elasticity.write_text(f"{warned}\n{good}\n")
        self.good_elasticity.write_text(f"{good}\n")

    def assemble(self) -> pd.DataFrame:
        return assemble(self.archive, self.energies, self.all_elasticity, self.good_elasticity)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def joined(files: Files) -> pd.DataFrame:
    return files.assemble()


@pytest.fixture
def registered(joined: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the small table for the registered one."""
    monkeypatch.setattr(mp_2020, "STRUCTURES_SHA256", structures_sha256(joined))
    monkeypatch.setattr(mp_2020, "LABELS_SHA256", labels_sha256(joined))


def test_crystals_with_all_three_energies_are_joined_on_their_ids_and_sorted_by_number(joined: pd.DataFrame) -> None:
    assert joined["material_id"].tolist() == ["mp-3", "mp-20", "mp-100"]
    assert joined["cif"].tolist() == [CIFS[f"data/{i}.cif"] for i in (1, 0, 2)]
    assert joined["formation_energy_per_atom"].tolist() == [0.1, 0.2, 0.0]
    assert joined["band_gap"].tolist() == [1.1, 1.2, 1.0]
    assert joined["efermi"].tolist() == [2.1, 2.2, 2.0]


def test_elastic_properties_are_missing_where_there_are_none(joined: pd.DataFrame) -> None:
    np.testing.assert_equal(joined["K_VRH"].tolist(), [28, 5000, np.nan])
    np.testing.assert_equal(joined["G_VRH"].tolist(), [13, -7, np.nan])
    np.testing.assert_equal(joined["poisson_ratio"].tolist(), [0.3, -0.75, np.nan])


def test_a_crystal_that_is_not_among_the_good_has_a_warning(joined: pd.DataFrame) -> None:
    assert joined[WARNING].dtype == "boolean"
    assert joined[WARNING].isna().tolist() == [False, False, True]
    assert joined[WARNING].tolist()[:2] == [False, True]


def test_a_formula_called_nan_is_text(files: Files) -> None:
    files.good_elasticity.write_text(elastic_line("mp-20", "NaN", 1, 2, 0.1) + "\n")
    assert files.assemble()[WARNING].tolist()[:2] == [True, False]


def test_a_crystal_that_lacks_one_energy_is_left_out(files: Files) -> None:
    path = files.energies["efermi"]
    path.write_text(path.read_text().replace("mp-3,", "mp-33,"))
    assert files.assemble()["material_id"].tolist() == ["mp-20", "mp-100"]


@given(order=st.permutations(range(3)))
def test_digests_do_not_depend_on_the_order_of_the_rows(order: list[int]) -> None:
    table = small_table()
    shuffled = table.iloc[order]
    assert structures_sha256(shuffled) == structures_sha256(table)
    assert labels_sha256(shuffled) == labels_sha256(table)


def small_table() -> pd.DataFrame:
    numbers = {name: [0.5, 1.5, 2.5] for name in [*ENERGIES, "K_VRH", "G_VRH", "poisson_ratio"]}
    warning = pd.array([True, None, False], dtype="boolean")
    return pd.DataFrame({"material_id": ["mp-3", "mp-20", "mp-1"], "cif": ["a", "b", "c"], **numbers, WARNING: warning})


OTHER_WARNING = [False, True, pd.NA]


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", [*ENERGIES, "K_VRH", "G_VRH", "poisson_ratio", WARNING])
def test_the_labels_digest_notices_every_label(column: str, row: int) -> None:
    table = small_table()
    table.loc[row, column] = OTHER_WARNING[row] if column == WARNING else 3.5
    assert labels_sha256(table) != labels_sha256(small_table())
    assert structures_sha256(table) == structures_sha256(small_table())


@pytest.mark.parametrize("row", range(3))
def test_the_structures_digest_notices_every_cif_and_no_other_does(row: int) -> None:
    table = small_table()
    table.loc[row, "cif"] += " "
    assert structures_sha256(table) != structures_sha256(small_table())
    assert labels_sha256(table) == labels_sha256(small_table())


def test_both_digests_notice_an_id_and_a_missing_row() -> None:
    renamed = small_table().replace({"material_id": {"mp-20": "mp-21"}})
    for changed in (renamed, small_table().iloc[:2]):
        assert structures_sha256(changed) != structures_sha256(small_table())
        assert labels_sha256(changed) != labels_sha256(small_table())


@pytest.mark.usefixtures("registered")
def test_the_registered_content_passes_even_after_a_round_trip(tmp_path: Path, joined: pd.DataFrame) -> None:
    verify(tmp_path / "archive.tar.gz", joined)
    write_table(tmp_path / "mp_2020.parquet", joined)
    verify_joined(tmp_path / "mp_2020.parquet")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(("column", "what"), [("cif", "structures"), ("band_gap", "labels")])
def test_changed_content_is_refused_with_both_digests(
    tmp_path: Path, joined: pd.DataFrame, column: str, what: str
) -> None:
    joined.loc[1, column] = joined.loc[0, column]
    path = tmp_path / "mp_2020.parquet"
    write_table(path, joined)
    with pytest.raises(UserError) as caught:
        verify_joined(path)
    found, expected = {
        "structures": (structures_sha256(joined), mp_2020.STRUCTURES_SHA256),
        "labels": (labels_sha256(joined), mp_2020.LABELS_SHA256),
    }[what]
    message = f"{path}: not the registered {what} of mp_2020: their sha256 is {found}, expected {expected}; remove it"
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_such_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mp_2020.parquet"
    with pytest.raises(UserError, match=r"mp_2020.parquet: no such file$"):
        verify_joined(path)
    path.write_text("text")
    with pytest.raises(UserError, match=r"mp_2020.parquet: not a readable parquet file"):
        list(read_mp_2020(path, ENTRY))
    write_table(path, pd.DataFrame({"a": [1]}))
    with pytest.raises(UserError, match=r"mp_2020.parquet: no column material_id, cif; the file has a$"):
        verify_joined(path)
    write_table(path, pd.DataFrame({"material_id": ["mp-1"], "cif": [""]}))
    with pytest.raises(UserError, match=r"mp_2020.parquet: no column elastic_has_warning, formation"):
        list(read_mp_2020(path, ENTRY))


@pytest.mark.parametrize("keep", [False, True])
def test_to_elastic_labels_with_a_warning_there_is_an_objection_unless_they_are_kept(
    tmp_path: Path, joined: pd.DataFrame, keep: bool
) -> None:
    write_table(tmp_path / "mp_2020.parquet", joined)
    entry = dataset_entry("mine", {"source": "mp_2020", "elastic_warnings": keep})
    rows = list(read_mp_2020(tmp_path / "mp_2020.parquet", entry))
    objection = {} if keep else {"elastic": "elasticity warning"}
    assert [row.group_objections for row in rows] == [{}, objection, {}]
    assert [(row.row, row.identifier, row.structure) for row in rows] == [
        (1, "mp-3", CIFS["data/1.cif"]),
        (2, "mp-20", CIFS["data/0.cif"]),
        (3, "mp-100", CIFS["data/2.cif"]),
    ]
    assert (rows[0].cells["K_VRH"], rows[0].cells["band_gap"], rows[0].objection) == (28, 1.1, None)


def break_off_within_a_member(path: Path) -> None:
    """Let the compressed text go on with what is none, in the middle of a crystal."""
    plain = gzip.decompress(pack(path, {NUMBERS_TABLE: NUMBERS, "data/0.cif": b"x" * 100_000}).read_bytes())
    path.write_bytes(gzip.compress(plain[:50_000]) + gzip.compress(plain[50_000:])[:10] + b"\xff" * 100)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "no tar": lambda path: path.write_bytes(b"<html>Not found</html>"),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "broken off": break_off_within_a_member,
    "no text": lambda path: pack(path, {NUMBERS_TABLE: NUMBERS, "data/0.cif": b"\xff\xfe"}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_no_archive_of_cif_files_is_one_line(files: Files, damage: Callable[[Path], object]) -> None:
    damage(files.archive)
    with pytest.raises(UserError, match=r"^\S+archive.tar.gz: not a readable tar.gz of CIF files \([^\n]*run again$"):
        files.assemble()


def test_an_archive_without_the_table_of_numbers_is_refused(files: Files) -> None:
    pack(files.archive, CIFS)
    with pytest.raises(UserError, match=rf"archive.tar.gz: no member {NUMBERS_TABLE}; remove it and run again$"):
        files.assemble()


@pytest.mark.parametrize("line", ["0", "zero,mp-1", "0,Fe2O3", "0,mp-1,mp-2"])
def test_a_strange_line_of_that_table_is_shown(files: Files, line: str) -> None:
    pack(files.archive, {NUMBERS_TABLE: f"{NUMBERS}{line}\r\n", **CIFS})
    with pytest.raises(UserError, match=rf"archive.tar.gz: {NUMBERS_TABLE}: '{line}' is no number and material id"):
        files.assemble()


def test_a_crystal_that_stands_there_twice_is_named(files: Files) -> None:
    pack(files.archive, {NUMBERS_TABLE: NUMBERS.replace("3,mp-4", "3,mp-3"), **CIFS})
    with pytest.raises(UserError, match=r"archive.tar.gz: mp-3 stands there more than once"):
        files.assemble()


def test_an_oversize_member_is_refused_before_it_is_read(files: Files) -> None:
    pack(files.archive, {NUMBERS_TABLE: NUMBERS, "data/0.cif": b"x" * (LARGEST_MEMBER + 1)})
    with pytest.raises(UserError, match=rf"member {FOLDER}/data/0.cif is no file, or has more than 1000000 bytes"):
        files.assemble()


def test_other_members_may_have_any_size(files: Files) -> None:
    pack(files.archive, {"weights.bin": b"x" * (LARGEST_MEMBER + 1), NUMBERS_TABLE: NUMBERS, **CIFS})
    assert len(files.assemble()) == 3


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_plain_file_is_refused(files: Files, kind: bytes) -> None:
    with tarfile.open(files.archive, "w:gz") as tar:
        member = tarfile.TarInfo(f"{FOLDER}/data/0.cif")
        member.type, member.linkname = kind, "../../secret"
        tar.addfile(member)
    with pytest.raises(UserError, match=r"member repository-1234/data/0.cif is no file"):
        files.assemble()


@pytest.mark.parametrize("folder", ["../..", "/", "/data/..", "a/../../.."])
def test_names_that_lead_out_of_the_archive_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    work = tmp_path / "a" / "b" / "c"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    members = {"../../x": "x", "x.cif": "x", "data/../../x.cif": "x", "data/x.cif": "x"}
    evil = pack(tmp_path / "evil.tar.gz", members, folder)
    with pytest.raises(UserError, match="no member"):
        read_structures(evil)
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_dir()) == [evil]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mp-3,1.0,2.0\n", "row 1 has 3 columns, expected 2: material_id, band_gap"),
        ("mp-3,high\n", "not a CSV file of numbers .*'high'"),
        ("mp-3,\n", "not a CSV file of numbers"),
        ("", "no rows"),
        ("mp-3,1\nmp-3,2\n", "mp-3 stands there more than once"),
    ],
    ids=["columns", "no number", "no value", "empty", "twice"],
)
def test_a_file_of_energies_that_is_none_is_named(files: Files, text: str, message: str) -> None:
    files.energies["band_gap"].write_text(text)
    with pytest.raises(UserError, match=rf"band_gap.csv: {message}"):
        files.assemble()


def test_a_missing_file_of_labels_is_named(files: Files) -> None:
    files.good_elasticity.unlink()
    with pytest.raises(UserError, match=r"good.csv: no such file$"):
        files.assemble()


@pytest.mark.skipif("CURVATURE_MTL_MIRROR" not in os.environ, reason="CURVATURE_MTL_MIRROR names no folder with mp/")
def test_the_real_files_give_the_registered_table() -> None:
    mirror, source = Path(os.environ["CURVATURE_MTL_MIRROR"]), SOURCES["mp_2020"]
    archive, *energies, all_elasticity, good_elasticity = [mirror / download.file for download in source.downloads]
    table = assemble(archive, dict(zip(ENERGIES, energies, strict=True)), all_elasticity, good_elasticity)
    verify(archive, table)
    expected = pd.read_parquet(mirror / source.assembled)
    pd.testing.assert_frame_equal(table, expected)
    assert len(table) == 34_750
    assert int(table[WARNING].notna().sum()) == 9_056
    verify_joined(mirror / source.assembled)
