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
        done: Whether the sweep is complete.
        limit: The limit that ended it, or nothing.
        report: Path of the report.
        seconds: How long the run took.
        warning: What went wrong apart from trials, or nothing.
        trained: How many trials it trained for at least an epoch, or tried to.
        verdict: What the records show; ``None`` if it could not be noted.
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
