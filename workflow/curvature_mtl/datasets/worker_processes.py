"""Worker processes that label small systems, each with one thread; what they have labelled outlives a kill."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

from curvature_mtl.errors import UserError
from curvature_mtl.finished_parts import FinishedParts
from curvature_mtl.interruption import STOP_SIGNALS

System = TypeVar("System")
Row = dict[str, str | float]

# Read once, when numpy or tblite is loaded. For systems so small, more threads only wait for each other.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Systems that are labelled and kept together: seconds of work, which is what a kill costs.
CHUNK = 20


def label_each(
    label: Callable[[System], Row], systems: Sequence[System], processes: int, finished: FinishedParts, unit: str
) -> list[Row]:
    """Return the row of each system, in the given order, whatever the number of processes, and of kills before.

    Args:
        label: a function of a module, or a `functools.partial` of one.
        systems: what JSON can hold, or dataclasses of it.
        processes: how many systems are labelled at a time.
        finished: keeps chunks of rows; those that are there are not labelled again.
        unit: what the progress bar calls a system.

    Raises:
        UserError: if a worker is killed, such as for want of memory.
    """
    chunks = [systems[start : start + CHUNK] for start in range(0, len(systems), CHUNK)]
    missing = [chunk for chunk in chunks if finished.load(chunk) is None]
    known = len(systems) - sum(map(len, missing))
    with (
        tqdm(total=len(systems), initial=known, desc="labels", unit=unit, disable=None) as bar,
        single_threaded_processes(min(processes, len(missing) or 1)) as pool,
    ):
        tasks = {pool.submit(_label_chunk, label, chunk): chunk for chunk in missing}
        try:
            for done in as_completed(tasks):
                finished.save(tasks[done], done.result())
                bar.update(len(tasks[done]))
        except BrokenProcessPool as error:
            what = f"a process that labels was killed, maybe for want of memory, after {bar.n} of {len(systems)}"
            raise UserError(f"{what}; run again to go on, with fewer threads if it recurs") from error
    return [row for chunk in chunks for row in finished.load(chunk)]


@contextmanager
def single_threaded_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of `count` processes; they are spawned, for threads of tblite do not mix with forks.

    Signals to stop reach this process alone; the workers end with it, however it ends, or when the block fails.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_end_with_parent)
    with _one_thread(), _blocked_signals():  # workers inherit both
        for _ in range(count):
            pool.submit(os.getpid)
    try:
        yield pool
    except BaseException:
        for worker in multiprocessing.active_children():
            worker.kill()  # nobody waits for its work any more
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _label_chunk(label: Callable[[System], Row], chunk: Sequence[System]) -> list[Row]:
    return [label(system) for system in chunk]


def _end_with_parent() -> None:
    """Let this worker end as soon as its parent has: a killed parent cannot tell it to."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _blocked_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
