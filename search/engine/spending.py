"""Counts what a sweep has spent against its limits."""

import time
from collections.abc import Callable, Iterable, Mapping

from search.definition.sweep import Limits, Sweep
from search.records.record import Record, State
from trainables.recipe.measured import GPUS, Metrics


class Spending:
    """Counts trials, time and passes as they are used.

    Args:
        sweep: The sweep with its limits.
        records: Records of what was spent before.

    Attributes:
        gpus: How many GPUs a trial occupies, or what share of one. Epochs that say what they occupied count
            by that: it may have been another share, or a run without a GPU.
    """

    def __init__(self, sweep: Sweep, records: Iterable[Record]) -> None:
        self._limits: Limits = sweep.limits
        self.gpus = sweep.resources.most_gpus
        self._started = time.monotonic()
        self._trials: set[str] = set()
        self._gpu_seconds = 0.0
        self._untold_seconds = 0.0
        self._passes = 0.0
        for record in records:
            if not record.reused_from:
                if record.state is State.FAILED:
                    self.begun(record.key)
                for metrics in record.epochs:
                    self.add(record, metrics)

    def begun(self, key: str) -> None:
        """Counts a trial, however far it came."""
        self._trials.add(key)

    def add(self, record: Record, metrics: Metrics) -> None:
        """Counts an epoch that was trained."""
        self.begun(record.key)
        self._count(record, metrics, 1)

    def take_back(self, record: Record, epochs: Iterable[Metrics]) -> None:
        """Takes back epochs that are no longer recorded."""
        for metrics in epochs:
            self._count(record, metrics, -1)

    def _count(self, record: Record, metrics: Metrics, sign: int) -> None:
        seconds = sign * metrics.get("seconds", 0.0)
        if GPUS in metrics:
            self._gpu_seconds += metrics[GPUS] * seconds
        elif metrics.get("on_gpu", 1):
            self._untold_seconds += seconds
        self._passes += sign * record.trial.passes_in(int(metrics["epoch"]))

    def reached(self, running: Iterable[str]) -> str:
        """The reached limit, in words, or nothing; ``running`` holds the keys being trained."""
        spent: Mapping[str, Callable[[], float]] = {
            "trials": lambda: len(self._trials.union(running)),
            "hours": lambda: (time.monotonic() - self._started) / 3600,
            "gpu_hours": lambda: (self._gpu_seconds + self.gpus * self._untold_seconds) / 3600,
            "passes": lambda: self._passes,
        }
        over = (name for name, most in self._limits if most is not None and spent[name]() >= most)
        return next((f"{name} {getattr(self._limits, name):g}" for name in over), "")
