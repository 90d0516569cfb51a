"""A file of some kilobytes that unfolds to gigabytes, or a field without end, is refused at a stated size.

Each limit is tried twice: made small, so that what lies on both sides of it can be seen, and as it is, against a real
bomb. Real bombs must not take more memory than a few times the limit, nor long.
"""

import gzip
import io
import json
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curvature_mtl import parquet_files, plain_data
from curvature_mtl.datasets import mp_2020, mp_snapshot, raw
from curvature_mtl.datasets.entry import dataset_entry
from curvature_mtl.errors import UserError
from curvature_mtl.graphs import crystal, molecule, read_crystal
from curvature_mtl.graphs.crystal import crystal_to_graph
from curvature_mtl.graphs.read_crystal import Crystal
from hardening.inputs import BRASS, crystal_texts

SNAPSHOT = dataset_entry("mine", {"source": "mp_all_20181018"})


@contextmanager
def refused(match: str, megabytes: float = 200, seconds: float = 15) -> Iterator[None]:
    """Expect a UserError of one line, with Python's memory and the processor's time bounded."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(UserError, match=match) as caught:
            yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < seconds
    assert "\n" not in str(caught.value)


def zipped(path: Path, chunks: Iterator[bytes]) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for chunk in chunks:
            file.write(chunk)
    return path


def repeated(beginning: bytes, chunk: bytes, times: int, end: bytes = b"") -> Iterator[bytes]:
    yield beginning
    for _ in range(times):
        yield chunk
    yield end


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("beginning", "sign", "what"),
    [
        (b'{"columns": ["', b"x", "a value of more than 10000000 characters"),
        (b'{"', b"k", "a value of more than 10000000 characters"),
        (b'{"columns": ', b"9", "Exceeds the limit"),  # Python's own, of digits
    ],
    ids=["text", "key", "number"],
)
def test_a_value_of_the_snapshot_has_a_largest_size(tmp_path: Path, beginning: bytes, sign: bytes, what: str) -> None:
    path = zipped(tmp_path / "mp.json.gz", repeated(beginning, sign * MEGABYTE, 40))
    assert path.stat().st_size < MEGABYTE
    with refused(rf"mp.json.gz: not a gzipped JSON table [^\n]*\({what}"):
        list(mp_snapshot.read_mp_snapshot(path, SNAPSHOT))


def test_so_has_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp_snapshot, "LARGEST_VALUE", MEGABYTE // 2)
    path = zipped(tmp_path / "mp.json.gz", repeated(b'{"columns": [', b"1," * MEGABYTE, 10))
    with refused(r"mp.json.gz: not a gzipped JSON table [^\n]*\(a value of more than 500000 characters"):
        list(mp_snapshot.read_mp_snapshot(path, SNAPSHOT))


def test_the_snapshot_s_text_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp_snapshot, "LARGEST_TEXT", 50 * MEGABYTE)
    path = zipped(tmp_path / "mp.json.gz", repeated(b"", b" " * MEGABYTE, 60))
    with refused(r"mp.json.gz: not a gzipped JSON table .*\(more than 50000000 characters\)"):
        list(mp_snapshot.read_mp_snapshot(path, SNAPSHOT))


def test_a_long_row_of_the_snapshot_is_not_decoded_over_and_over(tmp_path: Path) -> None:
    """Nine megabytes of small values in a row: each was once decoded again from its start with every megabyte more."""
    row = json.dumps(["mp-1", {"sites": list(range(1_200_000))}, *range(6)])
    columns = json.dumps(["mpid", "structure", "e_hull", "gap pbe", "mu_b", "bulk modulus", "shear modulus", "e_form"])
    path = zipped(tmp_path / "mp.json.gz", iter([f'{{"columns": {columns}, "data": [{row}]}}'.encode()]))
    started = time.process_time()
    assert len(list(mp_snapshot.read_mp_snapshot(path, SNAPSHOT))) == 1
    assert time.process_time() - started < 5


def archive(path: Path, members: list[tuple[str, int]]) -> Path:
    """Write a tar.gz with members of these sizes, all zeros."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, size in members:
            member = tarfile.TarInfo(f"folder/{name}")
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
    return path


def test_an_archive_has_a_largest_size_whatever_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp_2020, "LARGEST_ARCHIVE", 3 * MEGABYTE)
    for number, members in enumerate(([("weights.bin", 4_000_000)], [(f"data/{i}.cif", 900_000) for i in range(4)])):
        path = archive(tmp_path / f"{number}.tar.gz", members)
        with refused(rf"{number}.tar.gz: not a readable tar.gz of CIF files \(it unfolds to more than 3000000 bytes\)"):
            mp_2020.read_structures(path)


@pytest.mark.slow
def test_a_real_bomb_of_an_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.tar.gz", [("zeros", 600 * MEGABYTE)])
    assert path.stat().st_size < 3 * MEGABYTE
    with refused(r"bomb.tar.gz: not a readable tar.gz .*\(it unfolds to more than 500000000 bytes\)"):
        mp_2020.read_structures(path)


def test_a_header_that_asks_for_gigabytes_gets_none(tmp_path: Path) -> None:
    """The text of a pax header is read into memory as a whole."""
    member = tarfile.TarInfo("folder/x")
    member.type, member.size = tarfile.XHDTYPE, 8 << 30
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf() + bytes(10_000)))
    with refused(r"bomb.tar.gz: n"):
        mp_2020.read_structures(path)


def sparse(path: Path, beginning: bytes, size: int) -> Path:
    """Write a file that begins so, goes on with zeros, and takes no room on the disk."""
    with open(path, "wb") as file:
        file.write(beginning)
        file.truncate(size)
    return path


@pytest.mark.parametrize("beginning", [b"", b"smiles,gap\n", b'smiles,gap\n"'], ids=["header", "cell", "quoted cell"])
def test_a_field_of_ten_gigabytes_is_refused_after_ten_megabytes(tmp_path: Path, beginning: bytes) -> None:
    path = sparse(tmp_path / "t.csv", beginning, 10 << 30)
    with refused(r"t.csv: not a CSV text file \(line \d+: (a row of more than|field larger than)"):
        _, rows = raw.read_csv_rows(path)
        list(rows)


def test_a_row_over_many_lines_is_as_long_as_a_row_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "LONGEST_ROW", 40)
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"1\n2\n3",4\n' + "x,y\n" * 30)
    assert len(list(raw.read_csv_rows(path)[1])) == 31
    path.write_text('a,b\nx,y\n"' + "1\n" * 30 + '",4\n')
    with refused(r"t.csv: not a CSV text file \(line \d+: a row of more than 40 characters\)"):
        list(raw.read_csv_rows(path)[1])


def test_a_file_of_labels_has_a_largest_size(tmp_path: Path) -> None:
    files = [sparse(tmp_path / name, b"", 10 << 30) for name in "abc"]
    archived = archive(tmp_path / "a.tar.gz", [(mp_2020.NUMBERS_TABLE, 0)])
    with refused("a: more than 50000000 bytes"):
        mp_2020.assemble(archived, dict(zip(mp_2020.ENERGIES, files, strict=True)), files[0], files[0])


def parquet(path: Path, rows: int, value: str) -> Path:
    """Write the same text in all rows, which takes the room of one."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))
    pq.write_table(pa.table({"smiles": column}), path, compression="zstd", row_group_size=rows, store_schema=False)
    return path


def test_a_parquet_file_is_unfolded_a_few_rows_at_a_time(tmp_path: Path) -> None:
    """Some kilobytes of file hold twenty gigabytes of text."""
    path = parquet(tmp_path / "t.parquet", 100_000, "x" * (MEGABYTE // 5))
    assert path.stat().st_size < 10_000
    before = pa.total_allocated_bytes()
    rows = parquet_files.parquet_rows(path, ["smiles"])
    assert [len(next(rows)["smiles"]) for _ in range(3)] == [MEGABYTE // 5] * 3
    assert pa.total_allocated_bytes() - before < 2 * parquet_files.LARGEST_BATCH


@pytest.mark.parametrize("read", [parquet_files.read_parquet, parquet_files.parquet_columns], ids=["whole", "columns"])
def test_a_parquet_file_has_a_largest_number_of_rows_and_size_of_a_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    path = parquet(tmp_path / "t.parquet", 1000, "abc" * 1000)
    read(path)
    with monkeypatch.context() as patched:
        patched.setattr(parquet_files, "MOST_ROWS", 999)
        with refused("t.parquet: more than 999 rows"):
            read(path)
    monkeypatch.setattr(parquet_files, "LARGEST_COLUMN", 2999)
    with refused("t.parquet: more than 2999 bytes in a column"):
        read(path)


def test_a_document_has_a_largest_number_of_values_and_depth() -> None:
    plain_data.check_plain({"a": [0] * (plain_data.MOST_VALUES - 2)})
    with pytest.raises(ValueError, match="more than 100000 values"):
        plain_data.check_plain({"a": [0] * plain_data.MOST_VALUES})
    deep: object = 0
    for _ in range(plain_data.DEEPEST):
        deep = [deep]
    plain_data.check_plain(deep)
    with pytest.raises(ValueError, match=r"0.0.0: more than 30 levels deep"):
        plain_data.check_plain([deep])


UNREADABLE = {
    "a long SMILES": (lambda: molecule.read_smiles("C(" * 5000 + "C" + ")" * 5000), "SMILES of more than 10000"),
    "a large molecule": (lambda: molecule.read_smiles("C" * 1001), "more than 1000 atoms"),
    "a long structure": (lambda: read_crystal.read_crystal("x" * 10_000_001), "a structure of more than 10000000"),
    "blank lines": (lambda: read_crystal.read_crystal("\n" * MEGABYTE + "x"), "neither CIF, JSON nor POSCAR"),
    "many sites of a CIF": (
        lambda: read_crystal.read_crystal(crystal_texts()[0] + "  Cu Cu 1 0 0 0 1\n" * 5001),
        "more than 5000 sites",
    ),
    "many sites of a JSON": (
        lambda: read_crystal.read_crystal(json.dumps({"lattice": {"matrix": []}, "sites": [0] * 5001})),
        "more than 5000 sites",
    ),
    "many sites of a POSCAR": (
        lambda: read_crystal.read_crystal("x\n1\n9 0 0\n0 9 0\n0 0 9\nCu\n5001\ndirect\n" + "0 0 0\n" * 5001),
        "more than 5000 sites",
    ),
}


@pytest.mark.parametrize(("read", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_absurd_structure_is_left_out_before_it_takes_long(read: Callable[[], object], reason: str) -> None:
    started = time.process_time()
    with pytest.raises(raw.Unreadable) as caught:
        read()
    assert caught.value.reason.startswith(reason)
    assert time.process_time() - started < 5


def cluster(spacing: float) -> Crystal:
    """Return a block of 17 x 17 x 17 sites in a cell of 200 angstrom, and a site that is far from all others."""
    grid = np.stack(np.meshgrid(*[np.arange(17)] * 3), axis=-1).reshape(-1, 3) * spacing
    positions = np.concatenate([grid, [[100.0, 100.0, 100.0]]])
    return Crystal(200 * np.eye(3), positions / 200, np.full(len(positions), 29))


SMALL_CELL = Crystal(0.2 * np.eye(3), np.random.default_rng(0).random((200, 3)), np.full(200, 29))


@pytest.mark.parametrize("heap", [cluster(0.01), cluster(0.51), SMALL_CELL], ids=["a point", "a block", "a cell"])
def test_a_heap_of_sites_is_left_out_before_any_pairs_are_listed(heap: Crystal) -> None:
    started = time.process_time()
    with pytest.raises(raw.Unreadable) as caught:
        crystal_to_graph(heap)
    assert caught.value.reason == "more than 16 sites in a box of 2 angstrom"
    assert time.process_time() - started < 1


def test_the_densest_crystals_have_graphs() -> None:
    """Metallic hydrogen at 500 GPa has a site in 1.1 cubic angstrom; diamond is the densest at no pressure."""
    hydrogen = Crystal(np.eye(3) * 1.1 ** (1 / 3), np.zeros((1, 3)), np.ones(1, dtype=np.int64))
    assert len(crystal_to_graph(hydrogen).edge_features) >= crystal.NEIGHBOURS
    assert len(crystal_to_graph(read_crystal.read_crystal(json.dumps(BRASS.as_dict()))).edge_features) > 0
