"""Runs jobs in children, one row after the other, within a time."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.gpu.children import WORKER, Child, DiedError, HungError
from benchmarks.gpu.jobs import STEP, Job
from benchmarks.gpu.rows import DIED, FAILED, FULL, HUNG, OK, UNTRIED, WRONG, Row


class Session:
    """Children that measure, one at a time.

    The steps of methods share a child as long as all goes well; every other row has one of its own, whose
    memory is its own.

    Args:
        limit: Seconds that one row may take; may be changed between rows.
        until: When all must be over, by ``clock``.
        clock: Seconds.
        command: Starts a child.
    """

    def __init__(
        self,
        limit: float,
        until: float,
        clock: Callable[[], float] = time.monotonic,
        command: Sequence[str] = WORKER,
    ) -> None:
        self.limit = limit
        self._until, self._clock, self._command = until, clock, command
        self._child: Child | None = None

    def rows(self, jobs: Iterable[Job]) -> Iterator[Row]:
        """A row for each job, as soon as it is known, and more where memory was short."""
        try:
            for job in jobs:
                tried: Job | None = job
                while tried is not None:
                    row = self._row(tried)
                    yield row
                    tried = tried.halved() if row.state == FULL else None
        finally:
            self._close()

    def _row(self, job: Job) -> Row:
        started = self._clock()
        left = self._until - started
        if left <= 0:
            return Row(job, UNTRIED)
        if self._child is None:
            self._child = Child(self._command)
        state, said, found = OK, "", {}
        try:
            found = self._child.ask(job, min(self.limit, left))
        except DiedError as error:
            state, said = DIED, str(error)
        except HungError as error:
            whole = left <= self.limit
            state, said = (UNTRIED, "cut off at the end of all time") if whole else (HUNG, str(error))
        if "error_said" in found:
            state, said = (FULL if found["out_of_memory"] else FAILED), found["error_said"]
            found = {}
        elif not found.get("right", True):
            state = WRONG
        if job.measure != STEP or state not in (OK, WRONG):
            self._close()
        return Row(job, state, said, found, self._clock() - started)

    def _close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
