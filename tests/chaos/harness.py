"""Runs sweeps in real processes that are killed, and checks what must hold afterwards.

The invariants: what a worker trained and reported is on record; no epoch is recorded twice or with two
values; at most one epoch of a running trial is trained again; each key has one MLflow run, none left RUNNING;
the records equal those of an undisturbed sweep.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient

from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.records.journal import Journal
from search.records.record import CIRCUMSTANCES, Record
from tests.patience import watched

_ROOT = Path(__file__).parents[2]
_FAULTS = Path(__file__).parent / "faults"

GRID: dict[str, Any] = {
    "name": "chaos",
    "workload": "digits-lenet5",
    "training": {"epochs": 3, "train_size": 200},
    "seeds": [0, 1],
    "stages": [
        {"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1.0], "p": [0.3, 0.7]}}}
    ],
}
SEARCH: dict[str, Any] = GRID | {
    "stages": [
        {
            "name": "search",
            "search": {"kind": "optuna", "trials": 10},
            "scheduler": {"kind": "asha", "reduction_factor": 2},
            "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}, "p": [0.3, 0.7]}},
        },
        {"name": "confirm", "search": {"kind": "confirm", "seeds": [7]}},
    ]
}
ONE_AT_A_TIME: dict[str, Any] = {"resources": {"cpus": os.cpu_count() or 1}}


class Sweeping:
    """One sweep in one folder, run as often as it takes."""

    def __init__(self, folder: Path, raw: dict[str, Any], *options: str) -> None:
        self.folder = folder
        self.sweep: Sweep = parse_sweep(raw)
        self.ledger_path = folder / "ledger"
        self._options = options
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sweep.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")

    def start(self, fault: str = "") -> "subprocess.Popen[bytes]":
        """Starts a driver; ``fault`` is a point and a count, such as ``before-store:7``."""
        paths = [str(_FAULTS), str(_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "CHAOS_LEDGER": str(self.ledger_path),
            "CHAOS_FAULT": fault,
        }
        command = [sys.executable, "-m", "search", "run", str(self.folder / "sweep.yaml")]
        command += ["--store", str(self.folder / "runs"), *self._options]
        with (self.folder / "driver.log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def run(self, fault: str = "") -> int:
        """Runs a driver to its end, whatever that is."""
        status = watched(self.start(fault), self.folder)
        assert status is not None
        return status

    def run_and_kill(self, epochs: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends the driver a signal as soon as the ledger has that many more epochs, or lets it end."""
        enough = len(self.ledger()) + epochs
        driver = self.start()
        watched(driver, self.folder, until=lambda: len(self.ledger()) >= enough)
        driver.send_signal(number)
        watched(driver, self.folder)

    def finish(self) -> list[Record]:
        """Runs to the end without a fault and returns the records."""
        status = self.run()
        assert status == 0, f"exit status {status}: {self.said()[-3000:]}"
        return self.records()

    def said(self) -> str:
        """What the drivers have printed."""
        return (self.folder / "driver.log").read_text(encoding="utf-8")

    def records(self) -> list[Record]:
        """What is on record now."""
        path = self.folder / "runs" / "sweeps" / "chaos" / "journal.log"
        return Journal(path, self.sweep.select, writable=False).records

    def ledger(self) -> list[tuple[str, int, dict[str, float]]]:
        """Every epoch that was trained, in order."""
        if not self.ledger_path.exists():
            return []
        lines = self.ledger_path.read_text(encoding="utf-8").splitlines()
        return [(key, epoch, metrics) for key, epoch, metrics in map(json.loads, lines)]

    def faulted(self) -> bool:
        """Whether the fault struck."""
        return Path(f"{self.ledger_path}.fault").exists()


def table(records: list[Record]) -> list[Any]:
    """What two runs of one sweep must have in common."""
    return sorted((r.stage, r.key, r.state.value, [timeless(m) for m in r.epochs]) for r in records)


@dataclass(frozen=True)
class Damage:
    """What interruptions did to a sweep that has come to its end.

    Attributes:
        epochs: Different epochs in the ledger.
        lost: Of these, those that are not on record as they were trained.
        done_again: How often an epoch was trained once more.
        trials: Keys on record.
        runs: MLflow's runs of trials.
        left_running: Those of them that MLflow still shows as RUNNING.
    """

    epochs: int
    lost: int
    done_again: int
    trials: int
    runs: int
    left_running: int


def check(sweeping: Sweeping, interruptions: int) -> None:
    """Checks the invariants of a sweep that has come to its end, and notes the figures that docs quote."""
    records = sweeping.records()
    assert all(record.finished for record in records)
    damage = damage_to(sweeping)
    figures = os.environ.get("CHAOS_FIGURES")
    if figures:
        test = os.environ["PYTEST_CURRENT_TEST"].split("::")[1].split(" ")[0]
        with Path(figures).open("a", encoding="utf-8") as out:
            out.write(json.dumps({"test": test, **asdict(damage)}) + "\n")
    slots = max(1, int((os.cpu_count() or 1) // sweeping.sweep.resources.cpus))
    assert damage.lost == 0, "a trained epoch is not on record as it was trained"
    assert damage.done_again <= interruptions * slots, f"{damage.done_again} epochs were trained again"
    assert damage.runs == damage.trials, "MLflow does not show every key once"
    assert damage.left_running == 0
    keys = [record.key for record in records if not record.reused_from]
    assert len(keys) == len(set(keys)), "a key was trained under two records"


def damage_to(sweeping: Sweeping) -> Damage:
    """What became of a sweep, by its ledger, its records and MLflow."""
    records = sweeping.records()
    recorded = {(r.key, int(m["epoch"])): timeless(m) for r in records for m in r.epochs}
    ledger = sweeping.ledger()
    trained = Counter((key, epoch) for key, epoch, _ in ledger)
    client = MlflowClient(f"sqlite:///{sweeping.folder / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("chaos")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    shown = [run.data.tags["dropattack.key"] for run in runs if "dropattack.key" in run.data.tags]
    kinds = Counter(run.data.tags["dropattack.kind"] for run in runs)
    assert kinds["sweep"] == 1, "there is one parent run"
    assert kinds["configuration"] == len({record.identity.configuration for record in records})
    assert set(shown) == {record.key for record in records}
    return Damage(
        epochs=len(trained),
        lost=len({(k, e) for k, e, metrics in ledger if recorded.get((k, e)) != metrics}),
        done_again=sum(count - 1 for count in trained.values()),
        trials=len({record.key for record in records}),
        runs=len(shown),
        left_running=sum(run.info.status == "RUNNING" for run in runs),
    )


def timeless(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics that must be the same whenever and wherever they are measured."""
    return {name: value for name, value in metrics.items() if name not in CIRCUMSTANCES}
