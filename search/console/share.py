"""Which share of their CPUs trials get."""

from collections import deque

from search.records.record import Record

_RECENT = 200
"""Epochs over which the share is measured."""


class CpuShare:
    """The share that trials on a CPU got over the last recorded epochs.

    Args:
        cpus: CPUs of each trial. More than one count as one: only the leading thread is measured.
    """

    def __init__(self, cpus: float) -> None:
        self._given = min(1.0, cpus)
        self._recent: deque[tuple[float, float]] = deque(maxlen=_RECENT)
        self._known: dict[tuple[str, int], int] = {}

    def add(self, record: Record) -> None:
        """Counts a record's new epochs."""
        if record.reused_from:
            return
        name = (record.stage, record.number)
        for metrics in record.epochs[self._known.get(name, 0) :]:
            if "cpu_seconds" in metrics:
                self._recent.append((metrics["cpu_seconds"], metrics["seconds"]))
        self._known[name] = len(record.epochs)

    @property
    def recent(self) -> float | None:
        """The share, about 1 if nothing else uses the CPU; ``None`` if nothing was measured."""
        seconds = sum(seconds for _, seconds in self._recent) * self._given
        return sum(spent for spent, _ in self._recent) / seconds if seconds else None
