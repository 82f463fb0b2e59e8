"""What `ui` prints and serves."""

import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from search.cli import app
from search.console import browse
from search.records.store import Store
from search.tracking.runs import SweepRuns
from tests.search.simulation import sweep


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store whose MLflow shows one of its two sweeps."""
    made = Store(tmp_path_factory.mktemp("browsed"))
    made.define(sweep(name="hidden"))
    made.define(sweep())
    made.journal_path("small").touch()
    SweepRuns(made.tracking_uri, sweep(), made.artifacts, {})
    return made


def _ui(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[Any, list[str]]:
    """What the command says, and the command that it starts."""
    started: list[str] = []

    def call(command: list[str], **how: object) -> int:
        started.extend(command)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail("a browser was opened"))
    return CliRunner().invoke(app, ["ui", *words]), started


def test_the_address_of_each_view_is_printed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ((), ("small",)):
        said, started = _ui(monkeypatch, *words, "--store", str(store.root), "--port", "5005")
        assert said.exit_code == 0
        lines = said.stdout.splitlines()
        assert [line.partition(": ")[0] for line in lines] == ["small, configurations", "small, trials"]
        assert all(":5005/#/experiments/1/runs?workflowType=machine_learning&" in line for line in lines)
        assert lines[0].endswith("viewStateShareKey=dropattack-configurations")
        assert started[started.index("--host") + 1] == "127.0.0.1", "nobody else is served"


def test_optuna_dashboard_gets_the_journal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna_dashboard")
    said, started = _ui(monkeypatch, "small", "--optuna", "--store", str(store.root))
    assert said.stdout == "small: http://127.0.0.1:5000/dashboard\n"
    assert started[-3:] == [str(store.journal_path("small")), "valid_accuracy", "5000"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("other",), "sweep 'other' has not been run"),
        (("hidden",), "MLflow does not have sweep 'hidden' yet; `dropattack run hidden` adds it"),
        (("--optuna",), "name a sweep: dropattack ui SWEEP --optuna; there are hidden, small"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], line: str
) -> None:
    pytest.importorskip("optuna_dashboard")
    said, started = _ui(monkeypatch, *words, "--store", str(store.root))
    assert (said.exit_code, started) == (2, [])
    assert line in said.stderr
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "start", [["-m", "stranger"], ["-c", "import sys; sys.path[:0] = ['']; import stranger"]]
)
def test_what_serves_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: list[str]
) -> None:
    """That may be somebody else's store; MLflow's server puts its folder before all others itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stranger.py").write_text("raise SystemExit(3)\n")
    command = [sys.executable, *start]
    assert subprocess.call(command) == 3
    assert browse._served(command, {}) == 1
