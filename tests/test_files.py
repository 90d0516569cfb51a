"""Whole files or none, and equal values give equal bytes."""

import ast
import hashlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from curvature_mtl.files import HOST, atomic_path, read_json, sha256_of_file, write_json, write_table, write_text

PACKAGE = Path(__file__).parents[1] / "workflow" / "curvature_mtl"
WRITERS = {"write_text", "write_bytes", "to_csv", "to_parquet", "to_json", "savefig", "save_file"}
# A switch of the kernel's; downloads, which are checked before their `.part` gets its name.
OTHERWISE_SAFE = {"benchmarks/stopwatch.py", "datasets/download.py", "datasets/fetch_http.py"}
WRITE_HALF = """
import sys, time
from pathlib import Path
from curvature_mtl.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


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


@pytest.fixture
def killed_writer(tmp_path: Path) -> int:
    """Kill a process that has written half of `out`, and return its number."""
    writer = half_writer(tmp_path / "out")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    return writer.pid


def half_writer(path: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", WRITE_HALF, str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "half\n"
    return writer


def test_a_killed_writer_leaves_no_file_and_its_temporary_goes_when_a_file_is_written_there(
    tmp_path: Path, killed_writer: int
) -> None:
    assert [file.name for file in tmp_path.iterdir()] == [f".out.{HOST}.{killed_writer}.tmp"]
    write_text(tmp_path / "another", "whole")
    assert [file.name for file in tmp_path.iterdir()] == ["another"]


def test_temporaries_of_living_processes_stay_and_of_other_machines_until_they_are_old(tmp_path: Path) -> None:
    writer = half_writer(tmp_path / "out")
    elsewhere, not_ours = tmp_path / ".out.another-host.1.tmp", tmp_path / ".notes.tmp"
    elsewhere.touch()
    not_ours.touch()
    write_text(tmp_path / "another", "whole")
    assert len(list(tmp_path.glob(".*.tmp"))) == 3
    for file in tmp_path.glob(".*"):
        os.utime(file, (time.time(), time.time() - 7200))
    write_text(tmp_path / "another", "whole")
    living = tmp_path / f".out.{HOST}.{writer.pid}.tmp"
    assert set(tmp_path.glob(".*.tmp")) == {not_ours, living}
    writer.kill()
    writer.wait()


def test_nothing_is_written_but_under_a_temporary_name() -> None:
    modules = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
    found = {name: [ast.unparse(call) for call in bare_writes(tree)] for name, tree in modules.items()}
    assert {name: calls for name, calls in found.items() if calls and name not in OTHERWISE_SAFE} == {}


def bare_writes(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls that write a file, outside of blocks with `atomic_path`."""
    if isinstance(node, ast.With) and any("atomic_path(" in ast.unparse(item) for item in node.items):
        return
    if isinstance(node, ast.Call) and writes(node):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from bare_writes(child)


def writes(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
        return any(set("wax+") & set(str(ast.literal_eval(mode))) for mode in modes)
    return isinstance(call.func, ast.Attribute) and call.func.attr in WRITERS and bool(call.args)


@pytest.mark.parametrize(
    ("code", "n"),
    [
        ("open(path, 'wb')", 1),
        ("open(path, mode='a')", 1),
        ("table.to_csv(path)", 1),
        ("with open(path) as file: file.read()", 0),
        ("table.to_csv(index=False)", 0),
        ("with atomic_path(path) as temporary: temporary.write_text('')", 0),
    ],
)
def test_what_counts_as_writing(code: str, n: int) -> None:
    assert len(list(bare_writes(ast.parse(code)))) == n


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
