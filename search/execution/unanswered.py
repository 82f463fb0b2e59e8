"""SIGTERM ends the process also where the main thread cannot answer it.

Python calls signal handlers between two steps of the main thread's interpreter. A call of a C++ library that
does not return keeps them waiting: Ray's does so for a minute where its own processes ended first, and then
ends the process without a word.
"""

import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from search.execution.interruption import INTERRUPTED, interrupts_wait, sigterm_is_interrupt

GRACE_SECONDS = 5.0
"""How long the main thread has to leave what it is at, from the first SIGTERM on."""
_AT_LEAST_SECONDS = 0.001
_LEFT = b"\0"
"""What the main thread says when it has left; no signal has this number."""


@contextmanager
def ends_unanswered(close: Callable[[], object], grace_seconds: float = GRACE_SECONDS) -> Iterator[None]:
    """Ends the process where a SIGTERM comes and the context is not left soon after it.

    A thread learns of signals by the file descriptor to which Python's handler in C writes their numbers
    (`signal.set_wakeup_fd`). What another had set there hears of every signal too, and is put back.

    Where SIGTERM is not an interrupt by `sigterm_interrupts`, it is somebody else's, and nothing changes.

    Args:
        close: Closes what must not stay open. It is called in the thread, at most once, and must come to an
            end. Afterwards one line says that the run was interrupted, and the exit status is 128 + SIGTERM.
        grace_seconds: How long the main thread has for leaving the context.
    """
    if not sigterm_is_interrupt():
        yield
        return
    heard, told = socket.socketpair()
    told.setblocking(False)
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(
        target=_listen, args=(heard, before, close, grace_seconds), name="unanswered-sigterm", daemon=True
    )
    listener.start()
    try:
        yield
    finally:
        with interrupts_wait():
            signal.set_wakeup_fd(before)
            told.send(_LEFT)
            listener.join()  # for ever where the listener is ending the process
            told.close()
            heard.close()


def _listen(heard: socket.socket, before: int, close: Callable[[], object], grace_seconds: float) -> None:
    """Passes signals on to ``before``, until the context is left or SIGTERM has waited too long for that."""
    deadline = math.inf
    while True:
        if deadline < math.inf:
            heard.settimeout(max(deadline - time.monotonic(), _AT_LEAST_SECONDS))
        try:
            numbers = heard.recv(4096)
        except TimeoutError:
            _end(close)
        others = numbers.replace(_LEFT, b"")
        if before >= 0 and others:
            with suppress(OSError):
                os.write(before, others)
        if others != numbers:
            return
        if signal.SIGTERM in numbers:
            deadline = min(deadline, time.monotonic() + grace_seconds)


def _end(close: Callable[[], object]) -> NoReturn:
    try:
        close()
    finally:
        print(f"dropattack: {INTERRUPTED}", file=sys.stderr)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(128 + signal.SIGTERM)
