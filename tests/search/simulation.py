"""Sweeps without Ray and without training: an engine driven by a made-up but reproducible trainer."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.records.journal import Journal
from search.records.record import Record


def sweep(**changes: Any) -> Sweep:
    """A small sweep: a grid, a search with ASHA, and a confirmation."""
    raw: dict[str, Any] = {
        "name": "small",
        "workloads": ["digits-lenet5"],
        "training": {"epochs": 9},
        "seeds": [0, 1],
        "stages": [
            {"name": "baseline", "methods": {"standard": {}}},
            {
                "name": "grid",
                "methods": {"dropattack": {"epsilon": [0.1, 1.0], "p": [0.3, 0.7]}},
            },
            {
                "name": "search",
                "search": {"kind": "optuna", "trials": 12},
                "scheduler": "asha",
                "methods": {
                    "dropattack": {
                        "targets": {"subsets_of": ["input", "conv1.w"], "up_to": 2},
                        "epsilon": {"low": 0.01, "high": 10, "log": True},
                        "k": [1, 2],
                    }
                },
            },
            {"name": "confirm", "search": {"kind": "confirm", "top": 2, "seeds": [7, 8]}},
        ],
    }
    return parse_sweep(raw | changes)


def train(record: Record, epoch: int) -> dict[str, float]:
    """Metrics that depend on the trial and the epoch alone, better with every epoch."""
    noise = int(hashlib.sha256(f"{record.key}{epoch}".encode()).hexdigest(), 16) % 1000 / 1000
    epsilon = float(record.trial.hyperparameters.get("epsilon", 0.0))
    accuracy = 1 - 1 / (1 + epoch) - 0.02 * abs(epsilon - 1) + 0.05 * noise
    metrics = {"epoch": epoch, "valid_accuracy": accuracy, "train_loss": 1 / epoch, "seconds": 0.5}
    if epoch == record.trial.training["epochs"]:
        metrics["test_accuracy"] = accuracy - 0.01
    return metrics


class KilledError(Exception):
    """The driver was killed."""


class Driver:
    """Drives an engine as Tune would: ``slots`` trials at a time, an epoch each in turn."""

    def __init__(self, engine: Engine, slots: int = 1) -> None:
        self.engine = engine
        self.slots = slots
        self.running: dict[str, Iterator[int]] = {}
        self.records: dict[str, Record] = {}
        self.ledger: list[tuple[str, int]] = []

    def run(
        self, epochs: int | None = None, before: Callable[[str, int], None] = lambda key, epoch: None
    ) -> None:
        """Runs to the end, or raises `KilledError` after that many reported epochs."""
        while not self.engine.done:
            self._fill()
            for key in list(self.running):
                epoch = next(self.running[key])
                if epochs is not None and len(self.ledger) >= epochs:
                    raise KilledError
                before(key, epoch)
                self.ledger.append((key, epoch))
                if not self.engine.report(key, self.result(self.records[key], epoch)):
                    del self.running[key]

    def result(self, record: Record, epoch: int) -> dict[str, float]:
        """What the trainer reports."""
        return train(record, epoch)

    def _fill(self) -> None:
        while len(self.running) < self.slots:
            record = self.engine.next()
            if record is None:
                return
            self.records[record.key] = record
            self.running[record.key] = iter(range(1, 10**6))


def engine(folder: Path, definition: Sweep, **options: Any) -> Engine:
    """An engine on the journal in ``folder``."""
    journal = Journal(folder / "journal.log", definition.select)
    return Engine(definition, journal, lambda workload, options: workload, **options)


def table(records: Any) -> list[tuple[Any, ...]]:
    """What must be equal between two runs of one sweep."""
    return sorted(
        (r.stage, r.key, r.state.value, r.reused_from, tuple(m["valid_accuracy"] for m in r.epochs))
        for r in records
    )


def simulated(engine: Engine, *_: object) -> None:
    """Runs a sweep without Ray, in the place of `search.execution.tuning.run`."""
    Driver(engine).run()
