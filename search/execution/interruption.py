"""SIGTERM acts as Ctrl-C does: containers, service managers and clusters end a command with it."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = "interrupted; run the same command again to go on"
"""The message of an interrupted command."""
_AGAIN_SECONDS = 0.05


sigterm_answered = threading.Event()
"""Set as soon as the main thread answers a SIGTERM; a waiting thread clears it first."""
_asked = threading.Event()
"""Whether a signal asked to stop, even if other code caught its interrupt."""


@contextmanager
def sigterm_interrupts(after: signal.Handlers = signal.SIG_DFL) -> Iterator[None]:
    """Makes SIGTERM an interrupt, as SIGINT is, while the context lasts; `check_interrupted` knows of both.

    A handler that is there already stays. Outside of the main thread, which alone handles signals, nothing
    changes.

    Args:
        after: What SIGTERM does afterwards.
    """
    if not _handles_signals() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    _asked.clear()
    signal.signal(signal.SIGTERM, _interrupt)
    sigint = signal.getsignal(signal.SIGINT)
    if sigint is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_here)
    hook, sys.unraisablehook = sys.unraisablehook, _again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, sigint)
        signal.signal(signal.SIGTERM, after)


def check_interrupted() -> None:
    """Raises an interrupt that a signal asked for and that other code has swallowed.

    Libraries that try an import and catch whatever comes, and finalisers, swallow interrupts.

    Raises:
        KeyboardInterrupt: A signal has asked to stop.
    """
    if _asked.is_set():
        _asked.clear()  # answered: `_again` has nothing to repeat
        raise KeyboardInterrupt


def sigterm_is_interrupt() -> bool:
    """Whether this is the main thread, and SIGTERM interrupts it by `sigterm_interrupts`."""
    return _handles_signals() and signal.getsignal(signal.SIGTERM) is _interrupt


@contextmanager
def interrupts_wait() -> Iterator[threading.Event]:
    """Protects what must not be cut short: SIGINT and SIGTERM interrupt only when the context ends.

    Outside of the main thread, which alone handles signals, nothing changes.

    Yields:
        Whether one of them waits.

    Raises:
        KeyboardInterrupt: One of them has come meanwhile.
    """
    waits = threading.Event()
    if not _handles_signals():
        yield waits
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: waits.set()) for number in numbers]
    try:
        yield waits
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    if waits.is_set():
        raise KeyboardInterrupt


@contextmanager
def sigint_kept() -> Iterator[None]:
    """Restores SIGINT's handler after Tune, which leaves one that ignores the next Ctrl-C."""
    if not _handles_signals():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Restores SIGTERM's handler after Ray has installed its own, which dump the stack and abort.

    Raises:
        KeyboardInterrupt: A SIGTERM arrived meanwhile, which Ray turned into an exit.
    """
    if not _handles_signals():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:
        if error.code != signal.SIGTERM:
            raise
        signal.alarm(0)  # with which Ray's handler aborts the process a little later
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _again(lost: "sys.UnraisableHookArgs") -> None:
    """Interrupts once more if the interrupt came in a finaliser, whose errors Python drops."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(_AGAIN_SECONDS, _send_again).start()  # once this hook and the object are done with
    else:
        sys.__unraisablehook__(lost)


def _send_again() -> None:
    ident = threading.main_thread().ident
    if ident is not None and _asked.is_set() and signal.getsignal(signal.SIGTERM) is _interrupt:
        signal.pthread_kill(ident, signal.SIGTERM)


def _handles_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Does what SIGINT does, but interrupts at once where SIGINT would wait for Ray.

    While trials run, SIGINT asks Tune to stop them. A service manager sends SIGTERM to Ray's processes too;
    Tune would wait for them until Ray ends this process.
    """
    sigterm_answered.set()
    _asked.set()
    signal.raise_signal(signal.SIGINT)
    raise KeyboardInterrupt


def _interrupt_here(number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
