"""How much of the CPU that they were given trials get."""

from collections import deque

from search.records.record import Record

_RECENT = 200
"""Over how many epochs that is measured."""


class CpuShare:
    """The share over the epochs that were recorded last, of trials that train on a CPU.

    Args:
        cpus: What each trial was given. More than one count as one: what is measured is the thread that
            leads the others.
    """

    def __init__(self, cpus: float) -> None:
        self._given = min(1.0, cpus)
        self._recent: deque[tuple[float, float]] = deque(maxlen=_RECENT)
        self._known: dict[tuple[str, int], int] = {}

    def add(self, record: Record) -> None:
        """Takes note of the epochs of a record that are new."""
        if record.reused_from:
            return
        name = (record.stage, record.number)
        for metrics in record.epochs[self._known.get(name, 0) :]:
            if "cpu_seconds" in metrics:
                self._recent.append((metrics["cpu_seconds"], metrics["seconds"]))
        self._known[name] = len(record.epochs)

    @property
    def recent(self) -> float | None:
        """The share, about 1 where nothing else wants the CPU; ``None`` where nothing was measured."""
        seconds = sum(seconds for _, seconds in self._recent) * self._given
        return sum(spent for spent, _ in self._recent) / seconds if seconds else None
