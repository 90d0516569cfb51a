"""Kill the tiny run at random moments and run it again, many times: it must end in the bytes of an undisturbed run.

    python tests/workflow/kill_at_random.py --times 40 --seed 0 --folder /tmp/kills

prints a line each time and keeps them in kills.jsonl: started again, it goes on after the last one. The code is copied
to the folder first, so that it may be edited meanwhile.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from workflow.project import TINY, Project

# Seconds; a minute or two on a machine that has nothing else to do.
LONGEST_RUN = 3600
FINISHED_JOBS = re.compile(r"^(\d+) of (\d+) steps", re.MULTILINE)


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody kills: what it gives, its number of jobs, and the seconds from the end of one to the next."""

    outputs: dict[str, bytes]
    n_jobs: int
    seconds_a_job: float

    @classmethod
    def of(cls, project: Project, cores: int) -> "Undisturbed":
        """Run to the end."""
        started = time.monotonic()
        run = project.snakemake("--cores", str(cores), *TINY, timeout=LONGEST_RUN)
        assert run.returncode == 0, run.stdout
        n_jobs = max(int(total) for _, total in FINISHED_JOBS.findall(run.stdout))
        return cls(project.outputs(), n_jobs, (time.monotonic() - started) / n_jobs)


@dataclass(frozen=True)
class Moment:
    """A moment of a run, which depends but little on how fast the machine is just now.

    Attributes:
        finished: how many jobs have.
        delay: seconds after the last of them.
    """

    finished: int
    delay: float

    @classmethod
    def drawn(cls, seed: int, number: int, undisturbed: Undisturbed) -> "Moment":
        """Draw the moment with this number."""
        rng = random.Random(f"{seed} {number}")
        return cls(rng.randrange(undisturbed.n_jobs - 1), rng.uniform(0, 2 * undisturbed.seconds_a_job))

    def has_come(self, log: Path) -> bool:
        """Return whether so many jobs have ended, by Snakemake's messages."""
        return self.finished <= max((int(done) for done, _ in FINISHED_JOBS.findall(log.read_text())), default=0)


@dataclass(frozen=True)
class Repaired:
    """What came of a run that was ended by a signal, and of the one after it.

    Attributes:
        exit_code: of the first one.
        said: by the first one.
        rerun_jobs: of the second one.
        outputs: in the end.
        left_over: files and folders that only an unfinished job has.
    """

    exit_code: int
    said: str
    rerun_jobs: int
    outputs: dict[str, bytes]
    left_over: list[str]

    def differences(self, undisturbed: Undisturbed) -> list[str]:
        """Return what is missing, different or left over."""
        expected = undisturbed.outputs
        return [path for path in sorted({*expected, *self.outputs}) if self.outputs.get(path) != expected.get(path)]


def end_and_run_again(project: Project, moment: Moment, number: signal.Signals, cores: int) -> Repaired:
    """Run, send the signal to the whole process group at that moment, and run again to the end."""
    log = project.folder.with_suffix(".log")
    with log.open("w") as file:
        running = subprocess.Popen(
            project.command("--cores", str(cores), *TINY),
            cwd=project.folder,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while running.poll() is None and not moment.has_come(log):
            time.sleep(0.1)
        time.sleep(moment.delay)
        if running.poll() is None:
            os.killpg(running.pid, number)
        exit_code = running.wait(timeout=60)
    if number == signal.SIGKILL:
        assert project.snakemake("--unlock", *TINY).returncode == 0
    again = project.snakemake("--cores", str(cores), *TINY, timeout=LONGEST_RUN)
    assert again.returncode == 0, again.stdout
    rerun_jobs = max((int(total) for _, total in FINISHED_JOBS.findall(again.stdout)), default=0)
    results = [project.folder / "results", project.folder / "figures"]
    left = [path for folder in results for path in folder.rglob("*") if path.suffix in (".tmp", ".parts")]
    names = [str(path.relative_to(project.folder)) for path in left]
    return Repaired(exit_code, log.read_text(), rerun_jobs, project.outputs(), names)


def main(arguments: argparse.Namespace) -> None:
    """Do it as often as asked; the exit code says whether all was well."""
    pristine, record = arguments.folder / "project", arguments.folder / "kills.jsonl"
    if not pristine.exists():
        Project.copy_to(arguments.folder / "copying")
        (arguments.folder / "copying").rename(pristine)
    undisturbed = undisturbed_in(arguments.folder / "undisturbed", pristine, arguments.cores)
    record.touch()
    done = {line["number"]: line for line in map(json.loads, record.read_text().splitlines())}
    for number in range(arguments.times):
        if number in done:
            continue
        project = copy_of(pristine, arguments.folder / f"run{number}")
        moment = Moment.drawn(arguments.seed, number, undisturbed)
        started = time.monotonic()
        repaired = end_and_run_again(project, moment, signal.SIGKILL, arguments.cores)
        wrong = repaired.differences(undisturbed) + repaired.left_over
        done[number] = {"number": number, **asdict(moment), "was_killed": repaired.exit_code < 0, "wrong": wrong}
        with record.open("a") as file:
            file.write(json.dumps(done[number]) + "\n")
        print(
            f"{number + 1} of {arguments.times}: killed {moment.delay:.1f} s after job {moment.finished} of "
            f"{undisturbed.n_jobs} (exit code {repaired.exit_code}); {repaired.rerun_jobs} jobs rerun, "
            f"{time.monotonic() - started:.0f} s in all: {'DIFFERENT: ' + ', '.join(wrong) if wrong else 'same bytes'}",
            flush=True,
        )
        if not wrong:
            shutil.rmtree(project.folder)
    killed = sum(line["was_killed"] for line in done.values())
    bad = [line["number"] for line in done.values() if line["wrong"]]
    print(f"{len(done)} runs, {killed} of them killed before their end; {len(bad)} ended differently: {bad}")
    sys.exit(bool(bad))


def undisturbed_in(folder: Path, pristine: Path, cores: int) -> Undisturbed:
    """Run to the end in that folder, unless it has been done."""
    summary = folder.with_suffix(".json")
    if not summary.exists():
        run = Undisturbed.of(copy_of(pristine, folder), cores)
        summary.write_text(json.dumps({"n_jobs": run.n_jobs, "seconds_a_job": run.seconds_a_job}))
    return Undisturbed(Project(folder).outputs(), **json.loads(summary.read_text()))


def copy_of(pristine: Path, folder: Path) -> Project:
    """Return a fresh copy of the project, nothing of which has been run."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pristine, folder)
    return Project(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--folder", required=True, type=Path, help="where runs are made; removed when they went well")
    main(parser.parse_args())
