"""How a run of a sweep ended, or broke."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.execution.errors import RunError
from search.records.notes import NotedVerdicts
from search.records.record import Record, State


class StoreError(RunError):
    """The store broke while a sweep ran; the message is one line that says what to do."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        records: All records of the sweep.
        done: Whether the sweep came to its end.
        limit: The limit that ended it, or nothing.
        report: Where the report lies.
        seconds: How long the run took.
        warning: What went wrong beside the trials, or nothing.
        trained: How many trials it trained, for an epoch at least, or tried to.
        verdict: What the records show; nothing where that could not be noted.
    """

    records: Sequence[Record]
    done: bool
    limit: str
    report: Path
    seconds: float
    warning: str
    trained: int
    verdict: NotedVerdicts | None = None

    @property
    def failed(self) -> list[Record]:
        """Trials that failed."""
        return [record for record in self.records if record.state is State.FAILED]
