"""A signal to stop, such as SIGTERM at a cluster's time limit, as an exception that waits until work is whole."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_waiting: "Stopped | None" = None
_is_held = False


class Stopped(SystemExit):
    """The process was told to end: its exit code is 128 + the signal, as a shell would say.

    A `SystemExit`, so that no library takes it for a failure of its own, and nothing is printed if nobody catches it.
    """

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.signal = signal.Signals(number)

    def __str__(self) -> str:
        return f"stopped by {self.signal.name}; run again to go on"


def stop_on_signals() -> None:
    """Let SIGTERM and SIGINT (Ctrl-C) raise `Stopped` in the main thread, wherever it is but in `held_signals`."""
    for number in STOP_SIGNALS:
        signal.signal(number, _on_signal)


@contextmanager
def held_signals() -> Iterator[None]:
    """Let `Stopped` wait until the block has ended, so that what it changes is changed as a whole.

    A block should take seconds: clusters often kill half a minute after SIGTERM. Blocks do not nest.
    """
    global _is_held, _waiting
    _is_held = True
    try:
        yield
    finally:
        _is_held = False
    if _waiting:
        stopped, _waiting = _waiting, None
        raise stopped


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _waiting
    if not _is_held:
        raise Stopped(number)
    _waiting = Stopped(number)
