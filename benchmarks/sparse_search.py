"""What a search costs where few configurations are good: Optuna, ASHA and a race against grid and random.

    python -m benchmarks.sparse_search [--repeats 20]

Nothing is trained: the engine gets made-up results, so the truth is known. The space is that of
`benchmarks.time_to_result`, 144 cells. One cell, drawn for each repeat, gains 1 point over the baseline.
Each step away from it costs 0.6 points in ε, 0.5 in p, 0.6 in K and 1.0 in the targets, down to a loss of
1.5 points. Cells that gain 0.4 or more are good: 4 to 6 of the 144. A training has six epochs and approaches
its value like a learning curve. Its noise differs by seed, with a standard deviation of 0.3 points.

The benchmark counts forward-backward passes until a search's choice is a good cell and stays one to the
search's end. Searches with Optuna end when 30 % of the grid's passes are spent, the others when all are. The
grid and random draws choose the best value so far. The race chooses its incumbent: the configuration with the
most seeds, and of several the one with the best mean.
"""

import hashlib
import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, main, median, spread
from benchmarks.time_to_result import SLOTS, SPACE, TRAINING
from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.engine.proposers import Scope, grid_trials
from search.records.journal import Journal
from search.records.record import Record, State
from trainables.trial import Trial

COSTS = {"targets": 1.0, "epsilon": 0.6, "p": 0.5, "k": 0.6}
BASE, PEAK, GOOD, WORST, NOISE = 97.0, 1.0, 0.39, -1.5, 0.3
SEEDS = 4
ENOUGH = 0.3
"""Of the grid's passes, what the searches of Optuna get."""
Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Truth:
    """What configurations are worth, with the best cell somewhere.

    Attributes:
        best: The best cell.
        repeat: Which repeat this is; another one has other noise.
    """

    best: Cell
    repeat: int

    def gain(self, cell: Cell) -> float:
        """True gain over the baseline in points."""
        away = sum(
            cost * (cell[name] != self.best[name])
            if name == "targets"
            else cost * abs(SPACE[name].index(cell[name]) - SPACE[name].index(self.best[name]))
            for name, cost in COSTS.items()
        )
        return max(WORST, PEAK - float(away))

    def accuracy(self, trial: Trial, epoch: int) -> float:
        """What a training is measured to have after an epoch, from 0 to 1."""
        seed = int(hashlib.sha256(f"{self.repeat} {trial.key}".encode()).hexdigest(), 16)
        noise = random.Random(seed).gauss(0, NOISE)
        return (BASE + self.gain(trial.hyperparameters) + noise - 6 * math.exp(-epoch / 1.5)) / 100


def definition(seeds: int, **stage: Any) -> Sweep:
    """A sweep over the space with one stage."""
    stages = [{"name": "s", "methods": {"dropattack": dict(SPACE)}, **stage}]
    raw = {"name": "sparse", "workload": "digits-lenet5", "training": TRAINING, "stages": stages}
    return parse_sweep({**raw, "seeds": list(range(seeds))})


def grid() -> list[Trial]:
    """Every cell once."""
    sweep = definition(1)
    return list(grid_trials(Scope(sweep, sweep.stages[0], "digits-lenet5", _checksum)))


def _checksum(workload: str, options: Mapping[str, Any]) -> str:
    return "made-up"


def searched(truth: Truth, stage: Mapping[str, Any], budget: float) -> Iterator[tuple[float, bool]]:
    """Runs a search until a budget is spent: passes so far, and whether its choice is good by then."""
    sweep = definition(SEEDS, **stage)
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name) / "journal.log", sweep.select)
        engine = Engine(sweep, journal, _checksum)
        spent, running = 0.0, dict[str, Record]()
        while spent < budget and not engine.done:
            while len(running) < SLOTS and (record := engine.next()) is not None:
                running[record.key] = record
            for key, record in list(running.items()):
                epoch = len(record.epochs) + 1
                value = truth.accuracy(record.trial, epoch)
                metrics = {"epoch": epoch, "valid_accuracy": value, "train_loss": 1.0, "seconds": 1.0}
                spent += record.trial.passes_in(epoch)
                if not engine.report(key, metrics):
                    del running[key]
                    yield spent, chosen_is_good(truth, engine.records)


def chosen_is_good(truth: Truth, records: Sequence[Record]) -> bool:
    """Whether what the records choose is a good cell."""
    values: dict[str, list[float]] = defaultdict(list)
    trials: dict[str, Trial] = {}
    for record in records:
        if record.state is State.COMPLETE:
            values[record.identity.configuration].append(record.epochs[-1]["valid_accuracy"])
            trials[record.identity.configuration] = record.trial
    if not values:
        return False
    chosen = max(values, key=lambda name: (len(values[name]), math.fsum(values[name]) / len(values[name])))
    return truth.gain(trials[chosen].hyperparameters) >= GOOD


def until_good(course: Sequence[tuple[float, bool]]) -> float:
    """Passes from which on the choice is good to the end; infinite where it is not at the end."""
    found = math.inf
    for spent, good in course:
        found = min(found, spent) if good else math.inf
    return found


def measure(repeats: int) -> list[Row]:
    """Searches as many made-up surfaces by each way."""
    cells, draw = grid(), random.Random(0)
    truths = [Truth(draw.choice(cells).hyperparameters, repeat) for repeat in range(repeats)]
    whole = sum(trial.passes_in_all for trial in cells)
    asha = {"kind": "asha", "grace_period": 1, "reduction_factor": 3}
    courses: dict[str, list[Iterator[tuple[float, bool]]]] = {"Optuna + ASHA + race": [], "Optuna + ASHA": []}
    for truth in truths:
        search = {"kind": "optuna", "trials": 10 * len(cells), "sampler_seed": truth.repeat}
        for way, seeds in zip(courses, ({"seeds": SEEDS, "race": True}, {}), strict=True):
            stage = {"search": {**search, **seeds}, "scheduler": asha}
            courses[way].append(searched(truth, stage, ENOUGH * whole))
    draws = [random.Random(truth.repeat) for truth in truths]
    courses["random draws"] = [
        in_turn(truth, draw.choices(cells, k=2 * len(cells)), whole)
        for truth, draw in zip(truths, draws, strict=True)
    ]
    courses["the grid in random order"] = [
        in_turn(truth, draw.sample(cells, len(cells)), whole)
        for truth, draw in zip(truths, draws, strict=True)
    ]
    shares = {way: [until_good(list(each)) / whole for each in own] for way, own in courses.items()}
    ours = shares["Optuna + ASHA + race"]
    good = [sum(truth.gain(cell.hyperparameters) >= GOOD for cell in cells) for truth in truths]
    found = sum(share < math.inf for share in ours)
    return [
        Row(
            f"passes to a good choice where {min(good)} to {max(good)} of {len(cells)} cells are good: "
            "Optuna + ASHA + race ÷ the grid",
            "≤ 25 %",
            _percent(ours),
            repeats,
            median(ours) <= 0.25,
            "; ".join(f"{name} {_percent(each)}" for name, each in shares.items() if each is not ours)
            + f"; made-up results with noise of {NOISE} points",
        ),
        Row(
            "searches whose choice is good at the end, at 30 % of the grid's passes: Optuna + ASHA + race",
            "≥ 95 %",
            f"{found / repeats:.0%}",
            repeats,
            found >= 0.95 * repeats,
            "; ".join(
                f"{name} {sum(share < math.inf for share in each) / repeats:.0%}"
                for name, each in shares.items()
                if each is not ours
            )
            + "; random draws and the grid spend all of the grid's passes",
        ),
    ]


def in_turn(truth: Truth, trials: Sequence[Trial], budget: float) -> Iterator[tuple[float, bool]]:
    """Trainings of one seed, one after the other, until a budget is spent; see `searched`."""
    spent, best, good = 0.0, -math.inf, False
    for trial in trials:
        if spent >= budget:
            return
        spent += trial.passes_in_all
        value = truth.accuracy(trial, int(TRAINING["epochs"]))
        if value > best:
            best, good = value, truth.gain(trial.hyperparameters) >= GOOD
        yield spent, good


def _percent(shares: Sequence[float]) -> str:
    return f"{spread([100 * share for share in shares], 0)} %".replace("inf", "never")


if __name__ == "__main__":
    main(measure, str(__doc__), repeats=20)
