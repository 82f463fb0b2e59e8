"""An engine as an executor may use it: when its store breaks, everything stops and nothing is recorded."""

from collections.abc import Callable
from typing import TypeVar

from search.engine.engine import Engine
from search.records.record import Record
from trainables.recipe.metrics import Metrics

T = TypeVar("T")


class Recorder:
    """Guards an engine whose caller takes exceptions for failures of a trial and goes on, as Tune does.

    A store that is full or gone must end the run instead: from then on there is nothing to train, and what
    is still reported stays with the worker's checkpoint.

    Attributes:
        alone: Keys of trials that a GPU was too small for, which are tried once more, alone on one.
        broken: What broke, or nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.alone: set[str] = set()
        self.broken: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether there will be nothing more to train."""
        return self.broken is not None or self._engine.done

    @property
    def limited(self) -> bool:
        """Whether a limit of the sweep is reached; see `Engine.limit`."""
        return bool(self._engine.limit)

    def next(self) -> Record | None:
        """See `Engine.next`."""
        return self._guarded(self._engine.next, None)

    def report(self, key: str, metrics: Metrics) -> bool:
        """See `Engine.report`."""
        return self._guarded(lambda: self._engine.report(key, metrics), False)

    def fail(self, key: str, reason: str) -> None:
        """See `Engine.fail`."""
        self._guarded(lambda: self._engine.fail(key, reason), None)

    def put_back(self, key: str) -> None:
        """See `Engine.put_back`."""
        self._guarded(lambda: self._engine.put_back(key), None)

    def ran_out_of_memory(self, key: str, reason: str) -> None:
        """Takes back a trial to be tried alone on a GPU; the second time it failed."""
        if key in self.alone:
            self.fail(key, reason)
        else:
            self.alone.add(key)
            self.put_back(key)

    def _guarded(self, action: Callable[[], T], otherwise: T) -> T:
        if self.broken is not None:
            return otherwise
        try:
            return action()
        except Exception as error:
            self.broken = error
            return otherwise
