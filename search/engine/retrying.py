"""Finds trials that failed for a reason outside of them, and may be tried again."""

from collections.abc import Iterable

from search.records.record import Record, State

_OF_ITSELF = "DivergedError:"
"""The beginning of a failed trial's reason if its training diverged, as it would again."""


def failed_from_outside(records: Iterable[Record]) -> list[Record]:
    """Trials that failed and might not fail again: all but those whose training diverged."""
    return [r for r in records if r.state is State.FAILED and not r.reason.startswith(_OF_ITSELF)]
