"""Whole files or none, and equal values give equal bytes."""

import hashlib
import math
from pathlib import Path

import pandas as pd
import pytest

from curvature_mtl.files import atomic_path, read_json, sha256_of_file, write_json, write_table, write_text


def test_a_file_appears_only_when_its_block_ends(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "deep" / "out") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out").read_text() == "whole"


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out"):
        pass


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_json_bytes_do_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "one", {"a": 1, "b": [2.5, None, "ü"]})
    write_json(tmp_path / "two", {"b": [2.5, None, "ü"], "a": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert read_json(tmp_path / "one") == {"a": 1, "b": [2.5, None, "ü"]}


def test_json_refuses_nan_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "out", math.nan)
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "Ångström")
    assert (tmp_path / "text").read_bytes() == "Ångström".encode()


def test_csv_keeps_every_bit_of_a_number(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [0.1 + 0.2, 1e-300, math.nan], "name": ["a", 'b,"', ""]})
    write_table(tmp_path / "table.csv", table)
    assert (tmp_path / "table.csv").read_text() == 'x,name\n0.30000000000000004,a\n1e-300,"b,"""\n,\n'


def test_parquet_comes_back_equal_and_twice_the_same_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [0.1, math.nan], "n": [1, 2], "name": ["a", "b"]}, index=[5, 7])
    write_table(tmp_path / "one.parquet", table)
    write_table(tmp_path / "two.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "one.parquet"), table.reset_index(drop=True))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
