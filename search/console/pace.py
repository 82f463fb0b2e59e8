"""How many trials an hour a sweep finishes, over the time in which it ran."""

from collections import deque
from collections.abc import Iterable

from search.records.record import Record
from trainables.recipe.measured import Metrics

_RECENT = 500
"""Finished trials over which the pace is measured; more than run side by side."""
_PAUSE_SECONDS = 600.0
"""A sweep that records no epoch for so long was not running; an epoch of many lanes may take minutes."""

Span = tuple[float, float]


class Pace:
    """The pace of the trials that finished last; hours between two runs of a sweep do not count."""

    def __init__(self) -> None:
        self._recent: deque[list[Span]] = deque(maxlen=_RECENT)

    def add(self, record: Record) -> None:
        """Counts a finished trial that was trained."""
        spans = [(_end(m) - m.get("seconds", 0.0), _end(m)) for m in record.epochs]
        self._recent.append(joined(spans))

    @property
    def per_hour(self) -> float | None:
        """Trials per hour; ``None`` before there are two."""
        if len(self._recent) < 2:
            return None
        running = sum(end - start for start, end in joined(span for spans in self._recent for span in spans))
        return len(self._recent) / running * 3600 if running else None


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans joined where they overlap or leave a short gap, in order.

    Examples:
        >>> joined([(0, 10), (5000, 5010), (15, 40), (20, 30)])
        [(0, 40), (5000, 5010)]
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= _PAUSE_SECONDS:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _end(metrics: Metrics) -> float:
    return metrics.get("recorded_at", 0.0)
