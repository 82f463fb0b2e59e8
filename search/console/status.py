"""How far a sweep is: counts, the best so far, pace and time left, kept up to date record by record."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any

from search.console.pace import Pace
from search.console.results import configuration_text, gain_text, metric_of, seeds_text, value_text
from search.console.share import CpuShare
from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.results.best import Best, BestSoFar
from search.results.leading import Leader, Leading


class Status:
    """A sweep's standing.

    Args:
        sweep: The sweep.
        records: Its records so far.
        total: How many trials there will be, as far as known.
        running: Whether it runs now; only then has it a pace and time left.
        trains: Says by its key whether a trial that is not finished is being trained; others wait for that.
            A process that only reads the records cannot know, and takes all for being trained.

    Attributes:
        failures: Trials that failed, with their reasons.
        last: The trials that finished last, the latest at the end.
    """

    def __init__(
        self,
        sweep: Sweep,
        records: Iterable[Record],
        total: int,
        running: bool = True,
        trains: Callable[[str], bool] = lambda key: True,
    ) -> None:
        self._sweep = sweep
        self._states: dict[tuple[str, int], State] = {}
        self._keys: dict[tuple[str, int], str] = {}
        self._counts: Counter[State] = Counter()
        self._begun: Counter[str] = Counter()
        self._pace = Pace()
        self._lost: dict[tuple[str, int], float] = {}
        self._trained: dict[tuple[str, int], float] = {}
        self._share = CpuShare(sweep.resources.cpus)
        self._total = total
        self._running = running
        self._trains = trains
        self._best = BestSoFar(sweep)
        self._leading = Leading(sweep)
        self._looking = Lock()
        self.failures: list[Record] = []
        self.last: list[Record] = []
        for record in sorted(records, key=_last_recorded):
            self.update(record)

    def update(self, record: Record) -> bool:
        """Counts a record that is new or has changed; returns whether it has just finished."""
        with self._looking:
            return self._update(record)

    def _update(self, record: Record) -> bool:
        self._share.add(record)
        name = (record.stage, record.number)
        if not record.reused_from:
            self._lost[name] = sum(metrics.get("lost_seconds", 0.0) for metrics in record.epochs)
        before = self._states.get(name)
        if record.finished:
            self._trained.pop(name, None)
        else:
            self._trained[name] = len(record.epochs) / record.trial.training_settings.epochs
        if before is not record.state:
            self._counts[record.state] += 1
            self._begun[record.stage] += record.state is State.RUNNING
            if before is not None:
                self._counts[before] -= 1
                self._begun[record.stage] -= before is State.RUNNING
            self._states[name] = record.state
            self._keys[name] = record.key
        if not record.finished or before is record.state:
            return False
        self._best.add(record)
        self._leading.add(record)
        if record.epochs and not record.reused_from:
            self._pace.add(record)
        if record.state is State.FAILED:
            self.failures.append(record)
        self.last = [*self.last, record][-_LAST:]
        return True

    def expect(self, total: int) -> None:
        """Takes note of how many trials there will be, as far as known by now."""
        self._total = total

    def end(self) -> None:
        """Takes note that the run has ended: what is not finished is no longer being trained."""
        self._running = False

    @property
    def total(self) -> int:
        """How many trials there will be, as far as known; at least as many as there are."""
        return max(self._total, len(self._states))

    @property
    def standing(self) -> str:
        """``running``, ``finished``, or ``stopped`` where it neither runs nor is finished."""
        if self._states and self.finished >= self.total:
            return "finished"
        return "running" if self._running else "stopped"

    @property
    def best(self) -> Mapping[str, Best]:
        """The best configuration of every workload so far, of trials that are complete."""
        return self._best.best()

    @property
    def leaders(self) -> Mapping[str, Leader]:
        """The leader of every workload, by searched seeds; see `Leading`."""
        return self._leading.leaders()

    @property
    def finished(self) -> int:
        """How many trials are finished, one way or another."""
        return sum(n for state, n in self._counts.items() if state is not State.RUNNING)

    @property
    def trained_share(self) -> float:
        """Share of their epochs that unfinished trials have trained; 0 where there are none.

        While a sweep runs, those that wait do not count.
        """
        shares = self._shares()
        return sum(shares) / len(shares) if shares else 0.0

    def _shares(self) -> list[float]:
        ended = self.standing != "running"
        return [share for name, share in self._trained.items() if ended or self._trains(self._keys[name])]

    @property
    def copies(self) -> int:
        """How many trials are the same training as another, under another name or in another stage."""
        return len(self._keys) - len(set(self._keys.values()))

    @property
    def trials_per_hour(self) -> float | None:
        """Pace of the last finished trials; ``None`` before there are two, or where none are trained now."""
        return self._pace.per_hour if self.standing == "running" else None

    @property
    def lost_seconds(self) -> float:
        """Seconds of training that were lost with processes and nodes, and done again."""
        return sum(self._lost.values())

    @property
    def cpu_share(self) -> float | None:
        """See `CpuShare.recent`."""
        return self._share.recent

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at that pace; of an unfinished trial only the rest counts."""
        pace = self.trials_per_hour
        left = self.total - self.finished - sum(self._trained.values())
        return None if pace is None else left / pace * 3600

    @property
    def time_left(self) -> str:
        """The same in words, or nothing."""
        return f"{duration(self.seconds_left)} left" if self.seconds_left else ""

    @property
    def stage(self) -> str:
        """The first stage that trains now, or nothing."""
        names = [stage.name for stage in self._sweep.stages] if self.standing == "running" else []
        return next((name for name in names if self._begun[name]), "")

    def counts(self) -> str:
        """How many trials are finished, stage, and time left, in one line."""
        shares, share = self._shares(), self.trained_share
        through = f", {100 * share:.0f} % through" if share else ""
        doing = "running" if self.standing == "running" else "unfinished"
        waiting = len(self._trained) - len(shares)
        parts = [f"{self.finished}/{self.total}"]
        parts += [f"{len(shares)} {doing}{through}"] if shares else []
        parts += [f"{waiting} waiting"] if waiting else []
        ends = [state for state in State if state is not State.RUNNING]
        parts += [f"{self._counts[state]} {state.value}" for state in ends if self._counts[state]]
        parts += [same_training(self.copies)] if self.copies else []
        if stage := self.stage:
            names = [each.name for each in self._sweep.stages]
            parts.append(f"stage {names.index(stage) + 1} of {len(names)}: {stage}")
        lost = f"{duration(self.lost_seconds)} trained twice" if self.lost_seconds >= 1 else ""
        return " · ".join([*parts, *filter(None, [lost, self.time_left])])

    def leader(self, workload: str) -> str:
        """A workload's baseline and best configuration so far, in a line; empty if it has neither."""
        metric = metric_of(self._sweep.select)
        parts = []
        if baseline := self._leading.baseline(workload):
            mean, seeds = baseline
            parts.append(f"baseline {value_text(metric, mean)} ({seeds_text(seeds)})")
        if best := self.leaders.get(workload):
            same = f"on the same seed{'s' * (len(best.seeds) != 1)}"
            gain = "" if best.gain is None else f", {gain_text(metric, best.gain)} {same}"
            of = "the baseline" if best.plain else configuration_text(best.record)
            searched = seeds_text(len(best.seeds))
            beyond = "" if best.keeps else ", beyond the constraints"
            parts.append(f"best so far {value_text(metric, best.value)} ({searched}{gain}{beyond}): {of}")
        return f"{metric.name}: {' · '.join(parts)}" if parts else ""

    def line(self) -> str:
        """The standing in one line; without a best for several workloads, whose results do not compare.

        Any thread may call this, also while another counts records.
        """
        (workload, *others) = self._sweep.workloads
        with self._looking:
            return " · ".join(filter(None, [self.counts(), "" if others else self.leader(workload)]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "sweep": self._sweep.name,
            "standing": self.standing,
            "stage": self.stage,
            "total": self.total,
            "finished": self.finished,
            "copies": self.copies,
            "states": {state.value: self._counts[state] for state in State if self._counts[state]},
            "best": {workload: _plain(best) for workload, best in self.best.items()},
            "best_so_far": {workload: _led(leader) for workload, leader in self.leaders.items()},
            "trials_per_hour": self.trials_per_hour,
            "seconds_left": self.seconds_left,
            "cpu_share": self.cpu_share,
            "lost_seconds": self.lost_seconds,
            "trained_share": self.trained_share,
            "failures": [{"key": record.key, "reason": record.reason} for record in self.failures],
        }


_LAST = 3
"""How many of the last finished trials are kept."""


def _plain(best: Best) -> dict[str, Any]:
    """The trial that trained the model, and what chose its configuration."""
    found = {"key": best.record.key, "trial": best.record.trial.to_dict(), "value": best.mean}
    return found | {"seeds": best.seeds, "confirmed": best.confirmed}


def _led(leader: Leader) -> dict[str, Any]:
    found = {"configuration": configuration_text(leader.record), "value": leader.value}
    return found | {"seeds": list(leader.seeds), "gain": leader.gain, "baseline": leader.plain}


def same_training(copies: int) -> str:
    """What to say of trials beside how many there are."""
    return f"{copies} of them share the training of another"


def duration(seconds: float) -> str:
    """A time span for people: ``42 s``, ``3 min``, ``1.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _last_recorded(record: Record) -> float:
    return record.epochs[-1].get("recorded_at", 0.0) if record.epochs else 0.0
