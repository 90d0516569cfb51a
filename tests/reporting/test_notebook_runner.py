"""Notebooks: parameters that fit, equal bytes for equal runs, and errors with the cell they come from."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from curvature_mtl.errors import UserError
from curvature_mtl.reporting.notebook_runner import run_notebook
from moments import is_running


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back after the test what the runner sets."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLBACKEND", "PYDEVD_DISABLE_FILE_VALIDATION"):
        monkeypatch.setenv(name, "")


class Notebook:
    """A notebook with the parameters x and y, and what comes of running it."""

    def __init__(self, folder: Path, *cells: str):
        self.path, self.trace, self.output = (folder / name for name in ("n.ipynb", "trace.ipynb", "out.ipynb"))
        parameters = new_code_cell("x = 1\ny = 'a'", metadata={"tags": ["parameters"]})
        notebook = new_notebook(cells=[*map(new_markdown_cell, "AB"), parameters, *map(new_code_cell, cells)])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.path)

    def run(self, **parameters: Any) -> bytes:
        run_notebook(self.path, parameters, self.trace, self.output)
        return self.output.read_bytes()


def test_equal_runs_give_equal_bytes_without_the_trace(tmp_path: Path) -> None:
    noisy = "import warnings; warnings.warn('here'); print(object()); object()"
    notebook = Notebook(tmp_path, "print(x + 1, y)", noisy)
    first, second = notebook.run(x=41, y="b"), notebook.run(x=41, y="b")
    assert first == second
    executed = nbformat.reads(first.decode(), as_version=4)
    nbformat.validate(executed)
    assert executed.cells[4].outputs[0].text == "42 b\n"
    assert [output.output_type for output in executed.cells[5].outputs] == ["stream", "execute_result"]
    assert not notebook.trace.exists()


def test_a_failing_cell_is_told_by_its_number_and_the_trace_shows_the_error(tmp_path: Path) -> None:
    notebook = Notebook(tmp_path, "print('fine')", "1 / 0", "print('never')")
    with pytest.raises(UserError, match=r"n.ipynb: cell 4 failed with ZeroDivisionError: division by zero; .*trace"):
        notebook.run(x=1, y="b")
    assert not notebook.output.exists()
    trace = nbformat.read(notebook.trace, as_version=4)
    (failed,) = (cell for cell in trace.cells if cell.source == "1 / 0")
    assert failed.execution_count == 4
    assert [output.ename for output in failed.outputs if output.output_type == "error"] == ["ZeroDivisionError"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"x": 1, "y": "a", "z": 2}, r"n.ipynb: unknown parameter z; it has x, y$"),
        ({"x": 1}, r"n.ipynb: no value for parameter y$"),
    ],
    ids=["unknown", "missing"],
)
def test_parameters_that_do_not_fit_are_named(tmp_path: Path, parameters: dict[str, Any], said: str) -> None:
    notebook = Notebook(tmp_path)
    with pytest.raises(UserError, match=said):
        notebook.run(**parameters)
    assert not notebook.trace.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_command_takes_its_kernel_along_and_leaves_no_output(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    pid, own = tmp_path / "pid", tmp_path / "own"
    begin = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    notebook = Notebook(tmp_path, begin)
    files = {"notebook": notebook.path, "trace": notebook.trace, "output": notebook.output, "log": tmp_path / "log"}
    own.mkdir()
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "curvature_mtl.commands.notebook", "--parameters", '{"x": 1, "y": "b"}'),
            *(part for name, path in files.items() for part in (f"--{name}", str(path))),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow"), "TMPDIR": str(own)},
    )
    while not (pid.exists() and pid.read_text()):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(number)
    said = running.communicate(timeout=30)[1]
    assert running.returncode == code
    assert "Traceback" not in said
    ends = time.monotonic() + 10
    while is_running(int(pid.read_text())):
        assert time.monotonic() < ends, "the kernel is still there"
        time.sleep(0.05)
    assert not notebook.output.exists()
    if number != signal.SIGKILL:
        assert said == f"WARNING: stopped by {number.name}; run again to go on\n"
        assert list(own.iterdir()) == []
