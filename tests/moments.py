"""Work in a child process that gets a signal at a chosen moment of it; what has become of other processes."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curvature_mtl.interruption import stop_on_signals


@dataclass(frozen=True)
class Watched:
    """A function whose calls are moments: the signal comes at their beginning, or at their end."""

    owner: Any
    name: str
    at_end: bool = False


@dataclass(frozen=True)
class Outcome:
    """How the child ended, and how many moments it saw, of each function and in all."""

    exit_code: int
    seen: dict[str, int]

    @property
    def moments(self) -> int:
        return sum(self.seen.values())


def run_in_child(
    work: Callable[[], Any],
    watched: Iterable[Watched],
    fatal: int = -1,
    number: signal.Signals = signal.SIGKILL,
) -> Outcome:
    """Do the work in a child, a fork of this process, which sends itself a signal at the moment with that number."""
    context = multiprocessing.get_context("fork")
    functions = list(watched)
    counts = context.Array("i", len(functions), lock=False)

    def child() -> None:
        stop_on_signals()
        for place, function in enumerate(functions):
            setattr(function.owner, function.name, counted(place, function))
        work()

    def counted(place: int, function: Watched) -> Callable[..., Any]:
        do = getattr(function.owner, function.name)

        def moment() -> None:
            is_fatal = sum(counts) == fatal
            counts[place] += 1
            if is_fatal:
                os.kill(os.getpid(), number)

        def replaced(*arguments: Any, **named: Any) -> Any:
            if not function.at_end:
                moment()
            result = do(*arguments, **named)
            if function.at_end:
                moment()
            return result

        return replaced

    process = context.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode is not None
    return Outcome(process.exitcode, {function.name: counts[i] for i, function in enumerate(functions)})


def is_running(pid: int) -> bool:
    """Return whether a process is there and no zombie; by Linux's /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
