"""Seconds of the processor, and memory, of a part of the work."""

import ctypes
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from curvature_mtl.benchmarks.peer import Peer

Result = TypeVar("Result")


@dataclass(frozen=True)
class Seconds:
    """What one task takes of a peer.

    Attributes:
        prepare: once, before its products.
        product: each.
    """

    prepare: float
    product: float

    def a_product_of(self, n: int) -> float:
        """Return the seconds of one of n products, preparation included."""
        return self.prepare / n + self.product


def timed(part: Callable[[], Result]) -> tuple[Result, float]:
    """Return the part's result, and its seconds on the processor: those of a clock if nothing else runs."""
    start = time.process_time()
    result = part()
    return result, time.process_time() - start


def time_peer(peer: Peer, task: int, vectors: Tensor) -> tuple[Tensor, Seconds]:
    """Return the products of one task's Hessian with a block [p, k], and their seconds.

    Garbage is collected before: PyHessian leaves its graphs of gradients in reference cycles.
    """
    gc.collect()
    products, preparing = timed(lambda: peer.prepare(task))
    result, multiplying = timed(lambda: products(vectors))
    return result, Seconds(preparing, multiplying / vectors.shape[1])


def with_peak(part: Callable[[], Result]) -> tuple[Result, float]:
    """Return the part's result, and by how much its resident memory grew at most, in MiB.

    Linux keeps the peak and resets it on request; elsewhere it is NaN. What earlier parts have freed is given back
    to the system before, lest it be used again unseen.
    """
    gc.collect()
    if not _reset_peak():
        return part(), math.nan
    before = _resident("VmRSS")
    result = part()
    return result, (_resident("VmHWM") - before) / 1024


def _reset_peak() -> bool:
    """Set the peak to what is resident now; return whether the system can."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _resident(name: str) -> int:
    """Return a field of the process's status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
