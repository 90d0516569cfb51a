"""A signal to stop ends a command with one line, at a moment at which its work is whole."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from curvature_mtl.interruption import STOP_SIGNALS, Stopped, held_signals, stop_on_signals

COMMAND = """
import sys, time
from curvature_mtl.commands import _run

def main(arguments):
    print("begun", flush=True)
    time.sleep(60)

parser = _run.parser(None)
_run.run(main, parser.parse_args())
"""


@pytest.fixture(autouse=True)
def stopping() -> Iterator[None]:
    """Raise `Stopped` on signals, and do as before afterwards."""
    before = [(number, signal.getsignal(number)) for number in STOP_SIGNALS]
    stop_on_signals()
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_raises_at_once(number: signal.Signals, code: int) -> None:
    with pytest.raises(Stopped, match=f"stopped by {number.name}; run again to go on") as stopped:
        os.kill(os.getpid(), number)
    assert stopped.value.code == code


def test_it_waits_for_the_end_of_a_block() -> None:
    done = []
    with pytest.raises(Stopped), held_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("all of it")
    assert done
    with held_signals():
        pass  # asked once, raised once


def test_an_error_within_a_block_comes_first() -> None:
    with pytest.raises(ZeroDivisionError), held_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        1 / 0  # noqa: B018
    with pytest.raises(Stopped), held_signals():
        pass


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_ends_with_one_line_and_no_traceback(tmp_path: Path, number: signal.Signals, code: int) -> None:
    command = tmp_path / "command.py"
    command.write_text(COMMAND)
    # As `python -m curvature_mtl.commands.NAME` does: the commands' package is loaded while argv[0] is "-m".
    start = "import sys; sys.argv[0] = '-m'; import curvature_mtl.commands; sys.argv[0] = 'x'; import runpy"
    run = f"{start}; runpy.run_path({str(command)!r}, run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", run, "--log", str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "workflow")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert said == f"WARNING: stopped by {number.name}; run again to go on\n"
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_signal_while_libraries_are_loaded_ends_a_command_without_a_word() -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "curvature_mtl.commands.train", "--help"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "workflow")},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "curvature_mtl.commands" in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not {line for line in said.splitlines() if not line.startswith("import time:")}
