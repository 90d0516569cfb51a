"""Execute a notebook by papermill in this interpreter, and keep a byte-stable copy.

Kernels talk over IPC sockets in a private runtime directory: over TCP, kernels that start in parallel now and
then race for a port and one hangs.
"""

import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from curvature_mtl.errors import UserError
from curvature_mtl.files import atomic_path

logger = logging.getLogger(__name__)
MEMORY_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def run_notebook(notebook: Path, parameters: dict[str, Any], trace: Path, output: Path) -> None:
    """Execute `notebook` and write its cleaned copy to `output`.

    Args:
        notebook: a notebook with a cell tagged `parameters`.
        parameters: a value for every name in that cell, and no other.
        trace: the executed notebook as it is; on failure it stays and shows the error in its cell.
        output: the copy without timestamps, durations, paths and memory addresses.

    Raises:
        UserError: if the parameters do not fit, or a cell fails: then with the number of the cell.
    """
    _check_parameters(notebook, parameters)
    trace.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="notebook-") as private:
        _use_private_folders(Path(private))
        try:
            papermill.execute_notebook(
                str(notebook),
                str(trace),
                parameters,
                kernel_name="python3",
                progress_bar=False,
                # A kernel that is asked to end in the midst of a cell prints a traceback.
                shutdown_kernel="immediate",
                kernel_manager_class=_manager_class(Path(private)),
            )
        except papermill.PapermillExecutionError as error:
            raise UserError(
                f"{notebook}: cell {error.exec_count} failed with {error.ename}: {error.evalue}; "
                f"the executed notebook with the error is {trace}"
            ) from error
    executed = nbformat.read(trace, as_version=4)
    with atomic_path(output) as temporary:
        nbformat.write(_cleaned(executed), temporary)
    trace.unlink()


def _check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Refuse unknown and missing parameters, of which papermill only warns."""
    known = set(papermill.inspect_notebook(str(notebook)))
    if unknown := sorted(set(parameters) - known):
        raise UserError(f"{notebook}: unknown parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    if missing := sorted(known - set(parameters)):
        raise UserError(f"{notebook}: no value for parameter {', '.join(missing)}")


def _use_private_folders(private: Path) -> None:
    os.environ |= {
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "MPLBACKEND": "agg",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _manager_class(private: Path) -> type[AsyncKernelManager]:
    class ThisInterpreter(KernelSpecManager):
        """Every kernel is this Python: no kernel installed elsewhere on the machine is ever used."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=arguments, display_name="Python 3", language="python", name=kernel_name)

    class IpcKernelManager(AsyncKernelManager):
        def __init__(self, **options: Any):
            super().__init__(**options)
            self.kernel_spec_manager = ThisInterpreter()
            self.transport = "ipc"
            self.ip = str(private / "kernel")

    return IpcKernelManager


def _cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs between equal runs: times, cell ids, warnings with paths, memory addresses."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.get("tags", [])})
        if cell.cell_type == "code":
            cell.outputs = [_without_addresses(o) for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


def _without_addresses(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "text" in output:
        output["text"] = MEMORY_ADDRESS.sub("0x0", output["text"])
    for kind, value in output.get("data", {}).items():
        if isinstance(value, str) and kind.startswith("text/"):
            output["data"][kind] = MEMORY_ADDRESS.sub("0x0", value)
    return output
