"""Group commit: lines on their way to a bucket, where one write is under way and those that come gather.

A write to a bucket takes as long as its answer. Who would wait for each one records few results a second;
here what is added meanwhile is the next write, in the order in which it was added.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LAST_SECONDS = 2.0
"""How long a write that is under way has for its answer once nobody waits any longer."""


class Sending:
    """Lines on their way to a journal.

    Outside of `gathering` each call of `add` returns when its lines are durable.

    Args:
        write: Makes lines durable, given the number of the first one; raises what keeps it from that.
        give_up: Called with true where nobody waits any longer: what fails is then not to be tried again.
    """

    def __init__(
        self, write: Callable[[int, bytes], None], give_up: Callable[[bool], object] = lambda now: None
    ) -> None:
        self._write = write
        self._give_up = give_up
        self._changed = threading.Condition()
        self._gathers = self._left = False
        self._gathered: list[bytes] = []
        self._thread: threading.Thread | None = None
        self._first, self._added, self._sent = 0, 0, 0
        self._error: BaseException | None = None
        self._waiting: deque[tuple[int, Callable[[], object]]] = deque()

    def add(self, first: int, lines: bytes) -> None:
        """Adds lines that follow those added before.

        Args:
            first: The number of the first one.
            lines: Whole lines.

        Raises:
            Exception: What ended this write, or one before it; nothing more is written after it.
        """
        self._check()
        if not self._gathers:
            self._write(first, lines)
            return
        with self._changed:
            if not self._gathered:
                self._first = first
            self._gathered.append(lines)
            self._added += 1
            if self._thread is None:
                # Before it starts: an interrupt in `start` leaves it running.
                self._thread = threading.Thread(target=self._send, name="journal")
                try:
                    self._thread.start()
                except RuntimeError:
                    self._thread = None
                    raise

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Lets lines gather while others are being written; all are durable when it ends.

        Raises:
            Exception: What ended a write.
            KeyboardInterrupt: One came during the last wait, which ends at once; it says what is durable.
        """
        self._gathers = True
        try:
            yield
        finally:
            self._gathers = False
            if not self._left:
                self._wait()

    def when_sent(self, action: Callable[[], object]) -> None:
        """Does something once all lines that were added so far are durable: now, or in a later `settle`."""
        with self._changed:
            if self._waiting or self._sent < self._added:
                self._waiting.append((self._added, action))
                return
        action()

    def settle(self, wait: bool = False) -> None:
        """Does what was waiting for lines that are durable by now, in the order in which that was asked for.

        Args:
            wait: Whether to wait until all lines are.

        Raises:
            Exception: What ended a write.
        """
        if wait:
            self._wait()
        with self._changed:
            self._check()
            sent = self._sent
        while self._waiting and self._waiting[0][0] <= sent:
            self._waiting.popleft()[1]()

    def _wait(self) -> None:
        with self._changed:
            try:
                self._changed.wait_for(lambda: self._thread is None)
            except KeyboardInterrupt:
                self._left = True
                self._give_up(True)
                self._changed.wait_for(lambda: self._thread is None, _LAST_SECONDS)
                raise KeyboardInterrupt(self._durable()) from None
            self._check()

    def _durable(self) -> str:
        """What is durable, for whoever does not wait."""
        if not (missing := self._added - self._sent):
            return "all that was recorded is durable"
        entries = "entry of the journal has" if missing == 1 else "entries of the journal have"
        return f"the last {missing:,} {entries} not reached the store; what they record is trained again"

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _send(self) -> None:
        """Writes what has gathered until there is nothing, in a thread of its own."""
        while True:
            with self._changed:
                count, lines, self._gathered = len(self._gathered), b"".join(self._gathered), []
                first = self._first
                if not count or self._error is not None:
                    self._thread = None
                    self._changed.notify_all()
                    return
            try:
                self._write(first, lines)
            except BaseException as error:  # what a library of another language panics with is no Exception
                with self._changed:
                    self._error = error
            else:
                with self._changed:
                    self._sent += count
