"""A whole sweep here, beside a *stock sweep*: the same search as the libraries' documentation shows it.

    python -m benchmarks.sweep_speed [--rounds 3] [--trials 60] [--epochs 10]

Both search ε and p of DropAttack (T = 2, K = 1) for LeNet-5 on the digits with Optuna, without early
stopping, one CPU a trial and every CPU in use. They take turns, each in a fresh process and folder (see
`benchmarks.stock_sweep`). *Efficiency* is the sum of the seconds of training and validation ÷ (wall time ×
slots), from the first epoch's start to the last one's end. The rest is turnaround, checkpoints, recording and
waiting. The *whole* command includes the start of Python and Ray, and for the sweep here also the report.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.rows import Row, main, median, spread
from search.definition.sweepfile import parse_sweep
from search.records.store import Store

SLOTS = os.cpu_count() or 1


@dataclass(frozen=True)
class Sweeping:
    """What one sweep took.

    Attributes:
        whole: Seconds of the whole command.
        trials: For each trial, when each of its epochs ended, as a time stamp, and how many seconds it took.
    """

    whole: float
    trials: Sequence[Sequence[tuple[float, float]]]

    @property
    def training(self) -> float:
        """Seconds of training and validation."""
        return sum(seconds for epochs in self.trials for _, seconds in epochs)

    @property
    def available(self) -> float:
        """Seconds that the slots had from the first epoch's start to the last one's end."""
        return SLOTS * (max(self._ends) - min(self._starts))

    @property
    def between(self) -> float:
        """Seconds for each trial that were not training."""
        return (self.available - self.training) / len(self.trials)

    @property
    def turnaround(self) -> float:
        """Median seconds from the end of a trial to the first step of the next in its slot."""
        return median(
            [start - end for start, end in zip(self._starts[SLOTS:], self._ends[:-SLOTS], strict=True)]
        )

    @property
    def _starts(self) -> list[float]:
        return sorted(epochs[0][0] - epochs[0][1] for epochs in self.trials)

    @property
    def _ends(self) -> list[float]:
        return sorted(epochs[-1][0] for epochs in self.trials)


def ours(trials: int, epochs: int) -> Sweeping:
    """Runs the sweep with this project."""
    definition = {
        "name": "speed",
        "workload": "digits-lenet5",
        "training": {"epochs": epochs},
        "stages": [
            {
                "name": "search",
                "search": {"kind": "optuna", "trials": trials},
                "methods": {
                    "dropattack": {
                        "targets": "input+conv1.w",
                        "epsilon": {"low": 0.01, "high": 10, "log": True},
                        "p": {"low": 0.1, "high": 1},
                    }
                },
            }
        ],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sweep.yaml").write_text(yaml.safe_dump(definition), encoding="utf-8")
        command = ["-m", "search", "run", str(folder / "sweep.yaml"), "--store", str(folder / "runs")]
        whole, _ = _timed(command)
        records = Store(folder / "runs").journal(parse_sweep(definition)).records
    return Sweeping(whole, [[(m["recorded_at"], m["seconds"]) for m in record.epochs] for record in records])


def stock(trials: int, epochs: int) -> Sweeping:
    """Runs the sweep the other way."""
    with tempfile.TemporaryDirectory() as name:
        options = ["--trials", str(trials), "--epochs", str(epochs)]
        whole, printed = _timed(["-m", "benchmarks.stock_sweep", name, *options])
    found = json.loads(printed.split("epochs ", 1)[1].splitlines()[0])
    return Sweeping(whole, found)


def _timed(command: Sequence[str]) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - started, done.stdout


def measure(rounds: int, trials: int, epochs: int) -> list[Row]:
    """Runs both sweeps in turns."""
    pairs = [(ours(trials, epochs), stock(trials, epochs)) for _ in range(rounds)]
    mine, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    efficiency = [each.training / each.available for each in mine]
    turnaround, between = [each.turnaround for each in mine], [each.between for each in mine]
    faster = [other.whole / each.whole for each, other in pairs]
    seconds = median([each.training / trials for each in mine])
    wholes = f"{spread([m.whole for m in mine], 0)} s and {spread([o.whole for o in theirs], 0)} s"
    return [
        Row(
            f"efficiency of a sweep of {trials} trials of {seconds:.1f} s",
            "≥ 0.92",
            spread(efficiency),
            rounds,
            median(efficiency) >= 0.92,
            f"stock sweep: {spread([o.training / o.available for o in theirs])}",
        ),
        Row(
            "end of a trial to the first step of the next",
            "≤ 0.15 s",
            f"{spread(turnaround)} s",
            rounds,
            median(turnaround) <= 0.15,
            f"stock sweep: {spread([o.turnaround for o in theirs])} s; all but training, with "
            f"{epochs} checkpoints and records a trial: {spread(between)} s a trial, "
            f"stock sweep {spread([o.between for o in theirs])} s",
        ),
        Row(
            "the whole command, beside the stock sweep's",
            "≥ 2 × faster",
            f"{spread(faster)} ×",
            rounds,
            median(faster) >= 2,
            f"whole commands: {wholes}",
        ),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=3, trials=60, epochs=10)
