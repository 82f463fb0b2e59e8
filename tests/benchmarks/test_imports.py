"""What makes commands slow to answer, counted and not timed: the libraries that each of them imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from search.execution import preflight, tuning
from search.records.store import Store
from search.service import run_sweep
from search.tracking.settled import is_settled
from tests.search.simulation import Driver, sweep

HEAVY = {
    "torch",
    "ray",
    "mlflow",
    "optuna",
    "pandas",
    "scipy",
    "matplotlib",
    "sklearn",
    "torchvision",
    "torchtext",
    "sqlalchemy",
}
COMMAND = "from search.cli import app; app({}, standalone_mode=False)"


def loaded(statement: str) -> set[str]:
    """The heavy libraries that a fresh process has imported after a statement."""
    script = f"import sys\n{statement}\nprint('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.rsplit("loaded", 1)[1].split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import dropattack, dropattack.robustness.grids, dropattack.targets.spelling", set()),
        ("import dropattack; dropattack.registered()", {"torch"}),
        ("import trainables.trial", set()),
        ("import trainables.training.loop, trainables.papers", {"torch"}),
        ("import trainables.trainable", {"torch", "ray", "pandas"}),
        ("import search.records.store, search.definition.schema, search.console.presentation", set()),
        ("import search.engine.plan, search.engine.engine", {"torch", "optuna"}),
    ],
)
def test_what_is_not_needed_is_not_imported(statement: str, allowed: set[str]) -> None:
    assert loaded(statement) <= allowed


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["sweeps"], set()),
        (["status", "demo"], set()),
        (["workloads"], {"torch"}),
        (["methods"], {"torch"}),
        (["targets", "digits-lenet5"], {"torch"}),
    ],
)
def test_a_command_imports_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], allowed: set[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if "status" in arguments:
        Store(Path("runs")).define(sweep(name="demo"))
        Store(Path("runs")).note_total("demo", 28)
    if "targets" in arguments:
        loaded(COMMAND.format(arguments))  # encodes the digits, which scikit-learn has
    assert loaded(COMMAND.format(arguments)) <= allowed


def test_nothing_opens_ray_or_mlflow_for_a_sweep_that_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a grid, a search with ASHA, whose rungs Ray keeps, and a confirmation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuning, "connect", lambda verbose: None)
    monkeypatch.setattr(preflight, "check_cluster", lambda *_: None)
    monkeypatch.setattr(tuning, "run", lambda engine, *_: Driver(engine).run())
    store = Store(Path("runs"))
    run_sweep(sweep(), store, Path("data"), Console(quiet=True))
    assert is_settled(store, "small")
    file = str(store.folder("small") / "sweep.json")
    assert loaded(COMMAND.format(["status", file])) == set()
    assert loaded(COMMAND.format(["plan", file])) <= {"torch", "optuna"}
    assert loaded(COMMAND.format(["run", file])) <= {"torch", "optuna"}
