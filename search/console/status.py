"""How far a sweep is: counts, the best so far, pace and time left, kept up to date record by record."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from search.console.pace import Pace
from search.console.share import CpuShare
from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.results.best import Best, BestSoFar


class Status:
    """A sweep's standing.

    Args:
        sweep: The sweep.
        records: Its records so far.
        total: How many trials there will be, as far as that is known.

    Attributes:
        failures: Trials that failed, with their reasons.
    """

    def __init__(self, sweep: Sweep, records: Iterable[Record], total: int) -> None:
        self._sweep = sweep
        self._states: dict[tuple[str, int], State] = {}
        self._keys: set[str] = set()
        self._counts: Counter[State] = Counter()
        self._pace = Pace()
        self._share = CpuShare(sweep.resources.cpus)
        self._total = total
        self._best = BestSoFar(sweep)
        self.failures: list[Record] = []
        for record in sorted(records, key=_last_recorded):
            self.update(record)

    def update(self, record: Record) -> bool:
        """Takes note of a record that is new or has changed; says whether it has just finished."""
        self._share.add(record)
        name = (record.stage, record.number)
        before = self._states.get(name)
        if before is not record.state:
            self._counts[record.state] += 1
            if before is not None:
                self._counts[before] -= 1
            self._states[name] = record.state
            self._keys.add(record.key)
        if not record.finished or before is record.state:
            return False
        self._best.add(record)
        if record.epochs and not record.reused_from:
            self._pace.add(record)
        if record.state is State.FAILED:
            self.failures.append(record)
        return True

    @property
    def total(self) -> int:
        """How many trials there will be, as far as that is known; at least those there are."""
        return max(self._total, len(self._states))

    @property
    def best(self) -> Mapping[str, Best]:
        """The best configuration of every workload so far, of trials that are complete."""
        return self._best.best()

    @property
    def finished(self) -> int:
        """How many trials are finished, one way or another."""
        return sum(n for state, n in self._counts.items() if state is not State.RUNNING)

    @property
    def copies(self) -> int:
        """How many trials are the same training as another, under another name or in another stage."""
        return len(self._states) - len(self._keys)

    @property
    def trials_per_hour(self) -> float | None:
        """Pace of the last finished trials; ``None`` before there are two."""
        return self._pace.per_hour

    @property
    def cpu_share(self) -> float | None:
        """See `CpuShare.recent`."""
        return self._share.recent

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest takes at that pace."""
        pace = self.trials_per_hour
        return None if pace is None else max(0, self.total - self.finished) / pace * 3600

    def line(self) -> str:
        """The standing in one line; with several workloads, whose results do not compare, without a best."""
        parts = [f"{self.finished}/{self.total}"]
        parts += [f"{self._counts[state]} {state.value}" for state in State if self._counts[state]]
        parts += [same_training(self.copies)] if self.copies else []
        if len(self._sweep.workloads) == 1:
            parts += [
                f"best so far {self._sweep.select.column} {best.mean:.4g}" for best in self.best.values()
            ]
        if self.seconds_left:
            parts.append(f"{duration(self.seconds_left)} left")
        return " · ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "sweep": self._sweep.name,
            "total": self.total,
            "finished": self.finished,
            "copies": self.copies,
            "states": {state.value: self._counts[state] for state in State if self._counts[state]},
            "best": {workload: _plain(best) for workload, best in self.best.items()},
            "trials_per_hour": self.trials_per_hour,
            "seconds_left": self.seconds_left,
            "cpu_share": self.cpu_share,
            "failures": [{"key": record.key, "reason": record.reason} for record in self.failures],
        }


def _plain(best: Best) -> dict[str, Any]:
    """The trial that gives the model, and what chose its configuration."""
    found = {"key": best.record.key, "trial": best.record.trial.to_dict(), "value": best.mean}
    return found | {"seeds": best.seeds, "confirmed": best.confirmed}


def same_training(copies: int) -> str:
    """What to say of trials beside how many there are."""
    return f"{copies} of them the same training as another"


def duration(seconds: float) -> str:
    """A time span for people: ``42 s``, ``3 min``, ``1.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _last_recorded(record: Record) -> float:
    return record.epochs[-1].get("recorded_at", 0.0) if record.epochs else 0.0
