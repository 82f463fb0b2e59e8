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

from search.execution.interruption import (
    INTERRUPTED,
    interrupts_wait,
    sigterm_answered,
    sigterm_is_interrupt,
)

GRACE_SECONDS = 5.0
"""How long the main thread has for answering, from the first SIGTERM on."""
LEAVING_SECONDS = 30.0
"""How long one that has answered has to leave what it was at; Ray would end it after a minute."""
_LEFT = b"\0"
"""What the main thread says when it has left; no signal has this number."""


@contextmanager
def ends_unanswered(close: Callable[[], object], grace_seconds: float = GRACE_SECONDS) -> Iterator[None]:
    """Ends the process where a SIGTERM comes and is not answered, or the context not left soon after it.

    A thread learns of signals by the file descriptor to which Python's handler in C writes their numbers
    (`signal.set_wakeup_fd`). What another had set there hears of every signal too, and is put back.

    Where SIGTERM is not an interrupt by `sigterm_interrupts`, it is somebody else's, and nothing changes.

    Args:
        close: Closes what must not stay open. It is called in the thread, at most once, and must come to an
            end. Afterwards one line says that the run was interrupted, and the exit status is 128 + SIGTERM.
        grace_seconds: How long the main thread has for answering, > 0. One that has answered has
            `LEAVING_SECONDS` for leaving the context.
    """
    if not sigterm_is_interrupt():
        yield
        return
    sigterm_answered.clear()
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
    came = math.inf
    while True:
        left = came + (LEAVING_SECONDS if sigterm_answered.is_set() else grace_seconds) - time.monotonic()
        if left <= 0:
            _end(close)
        heard.settimeout(min(left, grace_seconds) if came < math.inf else None)
        try:
            numbers = heard.recv(4096)
        except TimeoutError:
            continue
        others = numbers.replace(_LEFT, b"")
        if before >= 0 and others:
            with suppress(OSError):
                os.write(before, others)
        if others != numbers:
            return
        if signal.SIGTERM in numbers:
            came = min(came, time.monotonic())


def _end(close: Callable[[], object]) -> NoReturn:
    try:
        close()
    finally:
        print(f"dropattack: {INTERRUPTED}", file=sys.stderr)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(128 + signal.SIGTERM)
