"""What a search costs until it has found what the full grid would.

    python -m benchmarks.time_to_result [--repeats 20]

A grid of DropAttack configurations of LeNet-5 on the digits is trained once, in full, and its learning curves
become a table. Searches over the same space then read their results from that table instead of training.
They use the same engine, Optuna's sampler and ASHA, two trials at a time, and another sampler's seed in each
repeat. The benchmark counts forward-backward passes over the training split until a configuration on record
has a validation accuracy within noise of the grid's best. Noise is one standard deviation over seeds of the
grid's best configuration. The grid itself is counted in random order, since nobody knows where its best is.
"""

import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.rows import Row, main, median, spread
from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.records.journal import Journal
from search.records.record import Record
from search.records.store import Store

SPACE: Mapping[str, Any] = {
    "targets": ["input", "conv1.w", "conv2.w", "input+conv1.w"],
    "epsilon": [0.05, 0.2, 0.5, 1, 2, 5],
    "p": [0.3, 0.7, 1.0],
    "k": [1, 2],
}
TRAINING = {"epochs": 6, "learning_rate": 0.003}
SEEDS = 5
SLOTS = 2


def trained(folder: Path, name: str, **changes: Any) -> list[Record]:
    """Trains a sweep for real."""
    definition = {"name": name, "workload": "digits-lenet5", "training": TRAINING, **changes}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(definition), encoding="utf-8")
    command = [sys.executable, "-m", "search", "run", str(path), "--store", str(folder / "runs")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Store(folder / "runs").complete(name)


def value(record: Record) -> float:
    """The best validation accuracy."""
    return max(metrics["valid_accuracy"] for metrics in record.epochs)


def passes(record: Record) -> float:
    """Forward-backward passes over the training split."""
    return record.trial.passes_until(len(record.epochs))


def until_found(table: Mapping[str, Record], wanted: float, seed: int, stage: Mapping[str, Any]) -> float:
    """Passes of one search until a value of at least ``wanted`` is on record."""
    search = {"kind": "optuna", "trials": 10 * len(table), "sampler_seed": seed}
    definition = {
        "name": "replay",
        "workload": "digits-lenet5",
        "training": TRAINING,
        "stages": [{"name": "s", "methods": {"dropattack": dict(SPACE)}, "search": search} | dict(stage)],
    }
    sweep = parse_sweep(definition)
    checksum = next(iter(table.values())).trial.checksum
    with tempfile.TemporaryDirectory() as name:
        engine = Engine(sweep, Journal(Path(name) / "journal.log", sweep.select), lambda _, __: checksum)
        spent, running = 0.0, dict[str, int]()
        while not engine.done:
            while len(running) < SLOTS and (record := engine.next()) is not None:
                running[record.key] = 0
            for key in list(running):
                source = table[key]
                metrics = source.epochs[running[key]]
                running[key] += 1
                spent += source.trial.passes_in(running[key])
                if metrics["valid_accuracy"] >= wanted:
                    return spent
                if not engine.report(key, metrics):
                    del running[key]
    return spent


def in_random_order(records: list[Record], wanted: float, seed: int) -> float:
    """Passes of a grid, in a random order, until a value of at least ``wanted`` is on record."""
    order = random.Random(seed).sample(records, len(records))
    first = next(index for index, record in enumerate(order) if value(record) >= wanted)
    return sum(map(passes, order[: first + 1]))


def measure(repeats: int) -> list[Row]:
    """Trains the grid, then searches its table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = {"dropattack": dict(SPACE)}
        grid = trained(folder, "grid", stages=[{"name": "grid", "methods": space}])
        best = max(grid, key=value)
        again = {"dropattack": dict(best.trial.hyperparameters)}
        seeds = trained(folder, "seeds", seeds=list(range(SEEDS)), stages=[{"name": "s", "methods": again}])
    noise = statistics.stdev(map(value, seeds))
    wanted = value(best) - noise
    table = {record.key: record for record in grid}
    whole = sum(map(passes, grid))
    asha = {"scheduler": {"kind": "asha", "grace_period": 1, "reduction_factor": 3}}
    shares = {
        "Optuna + ASHA": [until_found(table, wanted, seed, asha) / whole for seed in range(repeats)],
        "Optuna alone": [until_found(table, wanted, seed, {}) / whole for seed in range(repeats)],
        "the grid in random order": [in_random_order(grid, wanted, seed) / whole for seed in range(repeats)],
    }
    close = sum(value(record) >= wanted for record in grid)
    found = shares.pop("Optuna + ASHA")
    return [
        Row(
            f"passes to a result: Optuna + ASHA ÷ a grid of {len(grid)}",
            "≤ 25 %",
            _percent(found),
            repeats,
            median(found) <= 0.25,
            "; ".join(f"{name} {_percent(values)}" for name, values in shares.items())
            + f"; best {value(best):.4f}, noise {noise:.4f}, {close} of {len(grid)} within noise of it",
        )
    ]


def _percent(shares: Sequence[float]) -> str:
    return f"{spread([100 * share for share in shares], 0)} %"


if __name__ == "__main__":
    main(measure, str(__doc__), repeats=20)
