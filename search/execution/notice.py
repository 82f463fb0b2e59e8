"""SIGUSR1 gives notice that time is nearly up: every trial is saved where it is, and the run ends in order.

Batch systems send it some minutes before they end a job.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LEFT_EARLY = 75
"""Exit status of a run that a notice ended and that got further: the next run goes on. It is `EX_TEMPFAIL`
of ``sysexits.h``."""

_LOOK_EVERY_SECONDS = 1.0
_noticed = threading.Event()


def noticed() -> bool:
    """Whether the run was told to end early."""
    return _noticed.is_set()


@contextmanager
def usr1_is_notice() -> Iterator[None]:
    """Makes SIGUSR1 a notice while the context lasts; outside of the main thread nothing changes.

    Where it would end the process, it does nothing after that: the process says by its status how it ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGUSR1, _heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, _too_late if before is signal.SIG_DFL else before)
        _noticed.clear()


@contextmanager
def passed_on(give: Callable[[], object]) -> Iterator[None]:
    """Calls ``give`` in a thread as soon as there is a notice, while the context lasts."""
    left = threading.Event()

    def wait() -> None:
        while not left.is_set():
            if _noticed.wait(_LOOK_EVERY_SECONDS):
                give()
                return

    threading.Thread(target=wait, name="pass-notice-on", daemon=True).start()
    try:
        yield
    finally:
        left.set()


class KeptHandler:
    """Restores SIGUSR1's handler after Tune, which installs its own when it begins."""

    def __init__(self) -> None:
        self._before = signal.getsignal(signal.SIGUSR1)

    def put_back(self) -> None:
        """Restores the handler at Tune's first call of a callback."""
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGUSR1) is not self._before:
            signal.signal(signal.SIGUSR1, self._before)


def _too_late(number: int, frame: FrameType | None) -> None:
    """Nothing. What this process starts is ended by the signal all the same, unlike where it is ignored."""


def _heard(number: int, frame: FrameType | None) -> None:
    _noticed.set()
