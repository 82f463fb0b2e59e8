"""What a user waits for: the demo, and the answers of every command that trains nothing.

    python -m benchmarks.first_use [--rounds 7] [--demos 1] [--trials 5000]

The demo is the whole command `dropattack run demo` in an empty folder. The other commands run in that folder
afterwards, each in fresh processes, after one that is not timed. The last column has a command's largest
memory and the number of modules that it imports. The journal of many trials is made up, with three epochs of
each.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import Row, main, median, spread
from search.definition.sweepfile import parse_sweep
from search.engine.proposers import Scope, grid_trials
from search.records.record import Record, State
from search.records.store import Store

ROOT = Path(__file__).parents[1]
QUICK, LIGHT = 0.8, 2.5
COMMANDS: Sequence[tuple[Sequence[str], float]] = (
    (["--help"], 0.5),
    (["sweeps"], QUICK),
    (["status", "demo"], QUICK),
    (["workloads"], LIGHT),
    (["methods"], LIGHT),
    (["targets", "digits-lenet5"], LIGHT),
    (["plan", "demo"], LIGHT),
    (["run", "demo"], 3.0),
)
"""Commands, and how many seconds each may take; the last one finds nothing left to do."""

_COUNTING = """
import atexit, sys
def count():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(status["VmHWM"].split()[0], len(sys.modules), file=sys.stderr)
atexit.register(count)
from search.cli import main
main()
"""
"""A command that says at its end its largest memory in KiB, and its number of modules."""


@dataclass(frozen=True)
class Answer:
    """What a command took.

    Attributes:
        seconds: Its time from start to end.
        mebibytes: The largest memory of its process.
        modules: How many modules it had imported.
    """

    seconds: float
    mebibytes: float
    modules: int


def answer(command: Sequence[str], folder: Path) -> Answer:
    """Runs a command of the service in a folder."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COUNTING, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - started
    memory, modules = map(int, done.stderr.split()[-2:])
    return Answer(seconds, memory / 1024, modules)


def timed(command: Sequence[str], folder: Path, most: float, rounds: int, what: str = "") -> Row:
    """Asks a command so often, and once before."""
    answer(command, folder)
    answers = [answer(command, folder) for _ in range(rounds)]
    seconds = [each.seconds for each in answers]
    memory = max(each.mebibytes for each in answers)
    return Row(
        f"`dropattack {' '.join(command)}`{what}",
        f"≤ {most:g} s",
        f"{spread(seconds)} s",
        rounds,
        median(seconds) <= most,
        f"{memory:.0f} MiB, {answers[0].modules:,} modules",
    )


def fill(store: Store, trials: int) -> None:
    """Records a finished grid of that many trials."""
    sweep = parse_sweep(
        {
            "name": "many",
            "workload": "digits-lenet5",
            "training": {"epochs": 3},
            "seeds": list(range(trials)),
            "stages": [{"name": "grid", "methods": {"dropattack": {}}}],
        }
    )
    store.define(sweep)
    store.note_total(sweep.name, trials)
    journal = store.journal(sweep, writable=True)
    scope = Scope(sweep, sweep.stages[0], "digits-lenet5", lambda workload, options: "none")
    for number, trial in enumerate(grid_trials(scope)):
        common = {"valid_accuracy": 1 / (1 + trial.seed), "seconds": 1.0}
        epochs = [common | {"epoch": epoch, "recorded_at": number + epoch} for epoch in (1, 2, 3)]
        known = Record(-1, "grid", trial, trial.identity, state=State.COMPLETE, epochs=epochs)
        journal.add("grid", trial, answer=known)


def measure(rounds: int, demos: int, trials: int) -> list[Row]:
    """Times all of them."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(demos)]
        for folder in folders:
            folder.mkdir()
        runs = [answer(["run", "demo"], folder).seconds for folder in folders]
        rows = [timed(command, folder, most, rounds) for command, most in COMMANDS]
        fill(Store(folder / "runs"), trials)
        rows.append(timed(["status", "many"], folder, 1.5, rounds, f" of {trials:,} trials"))
    demo = f"{spread(runs, 0)} s"
    return [*rows, Row("`dropattack run demo`, 49 trials", "≤ 90 s", demo, demos, median(runs) <= 90)]


if __name__ == "__main__":
    main(measure, str(__doc__), rounds=7, demos=1, trials=5000)
