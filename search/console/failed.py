"""Failed trials in a terminal: one line for each reason, however many failed for it."""

from collections.abc import Iterable

from analysis.alike import common, without_numbers
from search.records.record import Record

_NAMED = 3
"""How many trials of a reason are named."""


def failure_lines(failed: Iterable[Record]) -> list[str]:
    """A line for each reason, with the first few trials that failed for it; the most frequent comes first.

    Reasons that differ only in numbers count as one.
    """
    groups: dict[str, list[Record]] = {}
    for record in failed:
        groups.setdefault(without_numbers(record.reason), []).append(record)
    return [_line(records) for records in sorted(groups.values(), key=len, reverse=True)]


def _line(records: list[Record]) -> str:
    names = ", ".join(record.name for record in records[:_NAMED])
    more = f" and {len(records) - _NAMED} more" if len(records) > _NAMED else ""
    reason = common([record.reason for record in records]) or "no reason recorded"
    return f"{len(records)} failed: {reason}: {names}{more}"
