"""How far a sweep is: counts, the best so far, pace and time left, kept up to date record by record."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from search.pace import Pace
from search.proposers import Scope, proposer_for
from search.record import Record, State
from search.sweep import Sweep


class Status:
    """A sweep's standing.

    Args:
        sweep: The sweep.
        records: Its records so far.

    Attributes:
        total: How many trials there will be, as far as that is known.
        best: The trial with the best selected metric so far.
        failures: Trials that failed, with their reasons.
    """

    def __init__(self, sweep: Sweep, records: Iterable[Record]) -> None:
        self._sweep = sweep
        self._states: dict[tuple[str, int], State] = {}
        self._counts: Counter[State] = Counter()
        self._pace = Pace()
        self.total = sum(
            proposer_for(Scope(sweep, stage, workload, lambda workload, options: "")).total
            for stage in sweep.stages
            for workload in sweep.stage_workloads(stage)
        )
        self.best: Record | None = None
        self.failures: list[Record] = []
        for record in sorted(records, key=_last_recorded):
            self.update(record)

    def update(self, record: Record) -> bool:
        """Takes note of a record that is new or has changed; says whether it has just finished."""
        name = (record.stage, record.number)
        before = self._states.get(name)
        if before is not record.state:
            self._counts[record.state] += 1
            if before is not None:
                self._counts[before] -= 1
            self._states[name] = record.state
        value = record.value(self._sweep.select)
        hopeful = record.state is not State.FAILED and not record.trial.is_control
        if value is not None and hopeful and (self.best is None or self._better(value, self.best)):
            self.best = record
        if not record.finished or before is record.state:
            return False
        if record.epochs and not record.reused_from:
            self._pace.add(record)
        if record.state is State.FAILED:
            self.failures.append(record)
        return True

    @property
    def finished(self) -> int:
        """How many trials are finished, one way or another."""
        return sum(n for state, n in self._counts.items() if state is not State.RUNNING)

    @property
    def trials_per_hour(self) -> float | None:
        """Pace of the last finished trials; ``None`` before there are two."""
        return self._pace.per_hour

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest takes at that pace."""
        pace = self.trials_per_hour
        return None if pace is None else max(0, self.total - self.finished) / pace * 3600

    def line(self) -> str:
        """The standing in one line."""
        parts = [f"{self.finished}/{max(self.total, len(self._states))}"]
        parts += [f"{self._counts[state]} {state.value}" for state in State if self._counts[state]]
        if self.best is not None:
            column = self._sweep.select.column
            parts.append(f"best so far {column} {self.best.value(self._sweep.select):.4g}")
        if self.seconds_left:
            parts.append(f"{duration(self.seconds_left)} left")
        return " · ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        best = self.best
        return {
            "sweep": self._sweep.name,
            "total": self.total,
            "finished": self.finished,
            "states": {state.value: self._counts[state] for state in State if self._counts[state]},
            "best": best and {"key": best.key, "trial": best.trial.to_dict(), "value": self._value(best)},
            "trials_per_hour": self.trials_per_hour,
            "seconds_left": self.seconds_left,
            "failures": [{"key": record.key, "reason": record.reason} for record in self.failures],
        }

    def _value(self, record: Record) -> float | None:
        return record.value(self._sweep.select)

    def _better(self, value: float, best: Record) -> bool:
        known = self._value(best)
        return known is None or self._sweep.select.sign * value > self._sweep.select.sign * known


def duration(seconds: float) -> str:
    """A time span for people: ``42 s``, ``3 min``, ``1.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _last_recorded(record: Record) -> float:
    return record.epochs[-1].get("recorded_at", 0.0) if record.epochs else 0.0
