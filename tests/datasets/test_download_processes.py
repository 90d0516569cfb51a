"""Downloads of several processes to one place, and of processes that are killed."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curvature_mtl.datasets.part_file import PartFile
from datasets.misbehaving_server import Server, Site, serving

WORKFLOW = Path(__file__).parents[2] / "workflow"
FETCH = """
import json, logging, sys
from pathlib import Path
from curvature_mtl.datasets.download import fetch
from curvature_mtl.datasets.registry import Download
logging.basicConfig(level="INFO")
url, size, sha256, target = json.loads(sys.argv[1])
fetch(Download("data.bin", (url,), size, sha256), Path(target))
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def start(url: str, content: bytes, target: Path) -> subprocess.Popen[str]:
    """Start a process that downloads."""
    told = json.dumps([url, len(content), hashlib.sha256(content).hexdigest(), str(target)])
    environment = {"PYTHONPATH": str(WORKFLOW), "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen([sys.executable, "-c", FETCH, told], env=environment, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> str:
    """Wait for a process that should end well, and return what it logged."""
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    return log


def test_one_process_fetches_and_the_others_wait_for_it(server: Server, tmp_path: Path) -> None:
    content = random.Random(0).randbytes(500_000)
    url = server.add("public", site := Site(content, ("piecemeal",)))
    everyone_is_there = threading.Event()
    server.after_a_piece = lambda: everyone_is_there.wait(60) and None
    target = tmp_path / "shared" / "data.bin"
    (tmp_path / "linked").symlink_to(tmp_path / "shared")
    first = start(url, content, target)
    while not site.asked:
        time.sleep(0.01)
    others = [start(url, content, tmp_path / folder / "data.bin") for folder in ("shared", "linked")]
    said = [process.stderr.readline() for process in others if process.stderr]
    assert all("another process fetches it; waiting" in line for line in said)
    assert not target.exists()
    everyone_is_there.set()
    assert f"{target}: from {url}, sha256 verified" in end(first)
    assert all("there already, sha256 verified" in end(process) for process in others)
    assert len(site.asked) == 1
    assert target.read_bytes() == content


def test_a_killed_process_leaves_the_place_to_the_next(server: Server, tmp_path: Path) -> None:
    content, target = random.Random(0).randbytes(500_000), tmp_path / "data.bin"
    url = server.add("public", site := Site(content, ("stall", "well")))
    killed = start(url, content, target)
    while PartFile.beside(target).size() == 0:
        time.sleep(0.01)
    waiting = start(url, content, target)
    assert waiting.stderr and "waiting" in waiting.stderr.readline()
    killed.kill()
    killed.communicate()
    end(waiting)
    assert target.read_bytes() == content
    assert "Range" in site.asked[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_any_piece_it_goes_on(server: Server, tmp_path: Path, seed: int) -> None:
    """Kill -9 four times, after a random piece and moment, then let it end."""
    chance = random.Random(seed)
    content, target = chance.randbytes(chance.randrange(100_000, 1_000_000)), tmp_path / "data.bin"
    validators = chance.choice(["ETag", "Last-Modified", "weak", ""])
    url = server.add("public", site := Site(content, ("piecemeal",), validators))
    for _ in range(4):
        kill_after_a_piece(server, start(url, content, target), chance)
        assert not target.exists()
    server.after_a_piece = lambda: None
    end(start(url, content, target))
    assert target.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir() if path.name != ".data.bin.lock"] == ["data.bin"]
    firsts = [int(asked.get("Range", "bytes=0-")[6:-1]) for asked in site.asked]
    assert firsts == sorted(firsts), "each process goes on where the last one was killed"


def kill_after_a_piece(server: Server, process: subprocess.Popen[str], chance: random.Random) -> None:
    pieces, moment = iter(range(chance.randrange(30))), chance.random() * 0.005

    def kill_after_some() -> None:
        if next(pieces, None) is None:
            time.sleep(moment)
            process.kill()

    server.after_a_piece = kill_after_some
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
