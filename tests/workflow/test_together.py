"""Two runs at a time: in one folder the second is refused, over one cache of downloads they help each other."""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curvature_mtl.datasets.registry import SOURCES
from datasets.misbehaving_server import Server, Site, serving
from workflow.project import TINY, Project

pytestmark = pytest.mark.slow
[DOWNLOAD] = SOURCES["qm8"].downloads
QM8 = ("--configfile", "config/qm8.yaml", "--quiet", "rules", "--")
CACHED = f"results/downloads/{DOWNLOAD.file}"
CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def start(project: Project, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Snakemake in a process group of its own."""
    with log.open("w") as file:
        return subprocess.Popen(
            project.command("--cores", "1", *arguments),
            cwd=project.folder,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGKILL) -> None:
    os.killpg(process.pid, number)
    process.wait(timeout=60)


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} never came")


def test_a_second_run_in_a_folder_is_refused_with_a_word_and_unlock_mends_it_after_a_kill(tmp_path: Path) -> None:
    project = Project.copy_to(tmp_path / "project")
    first = start(project, tmp_path / "first.log", *TINY)
    wait_for(project.folder / "results/tiny/logs")
    second = project.snakemake("--cores", "1", *TINY)
    stop(first)
    third = project.snakemake("--cores", "1", *TINY)
    for refused in (second, third):
        assert refused.returncode == 1
        assert "Directory cannot be locked" in refused.stdout
        assert "--unlock" in refused.stdout
        assert "Traceback" not in refused.stdout
    assert project.snakemake("--unlock", *TINY).returncode == 0
    assert project.planned_jobs(*TINY)


def share(folder: Path, cache: Path, server: Server) -> Project:
    """Return a project whose downloads are a link to the cache, and whose QM8 is a file of the server."""
    project = Project.copy_to(folder)
    registry = "workflow/curvature_mtl/datasets/registry.py"
    project.edit(registry, DOWNLOAD.urls[0], server.address("public"))
    project.edit(registry, f"{DOWNLOAD.size:_}", str(len(CONTENT)))
    project.edit(registry, str(DOWNLOAD.sha256), hashlib.sha256(CONTENT).hexdigest())
    (folder / "results").mkdir()
    (folder / "results/downloads").symlink_to(cache)
    return project


def in_the_cache(runs: list[subprocess.Popen[bytes]], target: Path) -> set[str]:
    """Return what a reader finds under the final name, from the first time there is something until the runs end."""
    seen = set()
    while any(run.poll() is None for run in runs):
        if target.exists():
            seen.add(hashlib.sha256(target.read_bytes()).hexdigest())
        elif seen:
            seen.add("gone again")
        time.sleep(0.01)
    return seen


def test_two_runs_over_one_cache_fetch_once_and_take_nothing_from_each_other(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "cache" / DOWNLOAD.file
    target.parent.mkdir(parents=True)
    projects = [share(tmp_path / name, tmp_path / "cache", server) for name in ("one", "two")]
    server.add("public", site := Site(CONTENT, ("piecemeal",)))
    server.after_a_piece = lambda: time.sleep(0.2)
    runs = [start(project, tmp_path / f"{project.folder.name}.log", *QM8, CACHED) for project in projects]
    assert in_the_cache(runs, target) == {hashlib.sha256(CONTENT).hexdigest()}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(site.asked) == 1


def test_a_run_that_planned_to_fetch_leaves_what_another_has_fetched_meanwhile(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "cache" / DOWNLOAD.file
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    project = share(tmp_path / "project", tmp_path / "cache", server)
    server.add("public", site := Site(CONTENT))
    run = start(project, tmp_path / "run.log", "--forcerun", "download", *QM8, CACHED)
    assert in_the_cache([run], target) == {hashlib.sha256(CONTENT).hexdigest()}
    assert run.returncode == 0
    assert "there already, sha256 verified" in (tmp_path / "cache/logs" / f"{DOWNLOAD.file}.log").read_text()
    assert site.asked == []
