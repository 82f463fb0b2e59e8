"""Keeps the first error in a call from Tune: it ends the run, and is raised when Tune has ended."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from ray.tune import Stopper
from typing_extensions import override

T = TypeVar("T")


class Guard(Stopper):
    """Keeps the first error in a call from Tune, ends the run, and raises the error as it is.

    Tune itself treats an error of a callback as a trial's failure and goes on, or raises a text about it.
    Here nothing happens after an error: Tune calls nothing more and stops all trials, and what they have not
    yet reported stays in their checkpoints.

    As a context manager it encloses the run, and raises the error at its end.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._ended = False

    def end(self) -> None:
        """Ends the run without an error."""
        self._ended = True

    def call(self, action: Callable[[], T], otherwise: T) -> T:
        """Returns what an action returns; ``otherwise`` where it or one before it has raised an error."""
        if self._error is None:
            try:
                return action()
            except Exception as error:
                self._error = error
        return otherwise

    @override
    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return self._error is not None

    @override
    def stop_all(self) -> bool:
        return self._ended or self._error is not None

    @override
    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune writes its stopper to disk, and not every error can be pickled."""
        return {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._error is not None:
            raise self._error
