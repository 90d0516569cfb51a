"""Worker processes: one thread each, no longer than their parent, and nothing is labelled twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curvature_mtl.datasets.worker_processes import CHUNK, label_each, single_threaded_processes
from curvature_mtl.errors import UserError
from curvature_mtl.finished_parts import FinishedParts
from moments import is_running

# Twelve chunks of a tenth of a second each.
SCRIPT = """
import sys; sys.argv[0] = "-m"
import curvature_mtl.commands
import json, time
from pathlib import Path
from curvature_mtl.datasets.worker_processes import CHUNK, label_each
from curvature_mtl.finished_parts import FinishedParts

def label(number):
    time.sleep(0.1 / CHUNK)
    return {"third": number / 3}

if __name__ == "__main__":
    print("begun", flush=True)
    rows = label_each(label, list(range(12 * CHUNK)), 2, FinishedParts(Path(sys.argv[1]), "this"), "number")
    print(json.dumps(rows))
"""
SYSTEMS = [json.dumps({"third": number / 3, "name": str(number)}) for number in range(2 * CHUNK + 3)]


def test_workers_see_one_thread_and_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with single_threaded_processes(1) as pool:
        assert list(pool.map(os.getenv, ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ


def test_rows_come_in_order_and_finished_chunks_are_not_labelled_again(tmp_path: Path) -> None:
    finished = FinishedParts(tmp_path, "this")
    rows = label_each(json.loads, SYSTEMS, 2, finished, "row")
    assert rows == [json.loads(system) for system in SYSTEMS]
    assert len(list(tmp_path.iterdir())) == 3
    finished.save(SYSTEMS[:CHUNK], [{"third": 0.5}])
    assert label_each(json.loads, SYSTEMS, 1, finished, "row") == [{"third": 0.5}, *rows[CHUNK:]]
    assert label_each(json.loads, SYSTEMS, 1, FinishedParts(tmp_path, "another"), "row") == rows


def test_a_worker_that_is_killed_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"killed, maybe for want of memory, after 0 of 1; run again to go on"):
        label_each(os._exit, [3], 1, FinishedParts(tmp_path, "this"), "exit")  # type: ignore[arg-type]


def start(folder: Path) -> "subprocess.Popen[str]":
    script = folder.with_suffix(".py")
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}
    command = [sys.executable, str(script), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition: "object", seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds child processes in Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_the_parent_is_stopped_its_workers_end_and_a_rerun_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "parts"
    labelling = start(folder)
    wait_until(lambda: folder.exists() and list(folder.glob("*.json")))
    workers = children(labelling.pid)
    assert len(workers) >= 2
    labelling.send_signal(number)
    said = labelling.communicate(timeout=10)[1]
    assert labelling.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert "Traceback" not in said
    wait_until(lambda: not any(map(is_running, workers)), seconds=5)
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("*.json")}
    assert 1 <= len(kept) < 12
    rows = start(folder).communicate(timeout=30)[0].splitlines()[-1]
    assert json.loads(rows) == [{"third": number / 3} for number in range(12 * CHUNK)]
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
