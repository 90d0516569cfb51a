"""Readers that do what none may: what the judge must notice."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from curvature_mtl.errors import UserError
from hardening.judge import MEMORY, PROCESSOR_SECONDS
from hardening.targets import Target


def _hang(path: Path) -> None:
    time.sleep(3600)


def _die(path: Path) -> None:
    os.abort()


def _take_all_memory(path: Path) -> None:
    bytearray(2 * MEMORY)


def _take_long(path: Path) -> None:
    started = time.process_time()
    while time.process_time() < started + PROCESSOR_SECONDS:
        pass


def _raise(path: Path) -> None:
    raise KeyError(path)


def _name_no_file(path: Path) -> None:
    raise UserError("a file is wrong")


READS: dict[str, Callable[[Path], None]] = {
    "hangs": _hang,
    "dies": _die,
    "takes all memory": _take_all_memory,
    "takes long": _take_long,
    "raises": _raise,
    "names no file": _name_no_file,
}
MISBEHAVING = {name: Target("x", (), lambda rng, data, other: data, read) for name, read in READS.items()}
