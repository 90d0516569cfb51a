"""A process that reads inputs one after the other, within limits of time and memory, and what becomes of each."""

import logging
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hardening.targets import Target

# The longest that an input of at most some 100 kB may take: processor seconds, and seconds on a busy machine.
PROCESSOR_SECONDS = 5.0
SECONDS = 60.0
MEMORY = 2 << 30  # bytes of addresses beyond those of the process with its libraries

ACCEPTED, REFUSED, BUG = "accepted", "refused", "bug"


@dataclass(frozen=True)
class Verdict:
    """`accepted`, `refused` with its message, or `bug` with what happened."""

    kind: str
    text: str = ""
    seconds: float = 0.0


class Judge:
    """Reads mutated inputs in a process of its own, which is replaced when it dies or hangs."""

    def __init__(self) -> None:
        # Its server imports once what all processes need, and finds it by PYTHONPATH alone.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["hardening.misbehaving"])
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PYTHONPATH", os.pathsep.join(sys.path))
            self._start()

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.recv()  # it is ready

    def verdict(self, target: str, data: bytes) -> Verdict:
        """Return what becomes of an input of a target."""
        self._connection.send((target, data))
        try:
            if self._connection.poll(SECONDS):
                verdict: Verdict = self._connection.recv()
                return verdict
            what = f"no answer within {SECONDS:g} s"
        except EOFError:
            self._process.join()
            what = f"the process died with exit code {self._process.exitcode}"
        self._process.kill()
        self._process.join()
        self._start()
        return Verdict(BUG, what)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _serve(connection: Connection) -> None:
    import torch

    from hardening.misbehaving import MISBEHAVING
    from hardening.targets import TARGETS

    targets = TARGETS | MISBEHAVING
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, in_use + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection.send("ready")
    while True:
        name, data = connection.recv()
        folder = Path(tempfile.mkdtemp(prefix="hardening-"))
        try:
            connection.send(_read(targets[name], folder / targets[name].file, data))
        finally:
            shutil.rmtree(folder)


def _read(target: "Target", path: Path, data: bytes) -> Verdict:
    from curvature_mtl.errors import UserError

    path.write_bytes(data)
    started = time.process_time()
    try:
        target.read(path)
        kind, text = ACCEPTED, ""
    except UserError as error:
        kind, text = REFUSED, str(error)
        if "\n" in text or not (str(path) in text or text.startswith("config: ")):
            kind, text = BUG, f"a message of several lines, or without the file's name: {text!r}"
        text = text.replace(str(path), path.name)
    except BaseException:
        kind, text = BUG, traceback.format_exc()
    seconds = time.process_time() - started
    if seconds > PROCESSOR_SECONDS:
        kind, text = BUG, f"took {seconds:.1f} s of the processor, then {kind} {text}"
    return Verdict(kind, text[-3000:], seconds)
