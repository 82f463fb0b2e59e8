"""How a run of a sweep ends: what an error means, and what MLflow shows of it."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

import search.session
from dropattack import UsageError
from search.definition.sweep import Sweep
from search.engine.engine import Engine
from search.execution import tuning
from search.execution.errors import RunError
from search.records.record import Record, State
from search.records.store import Store
from search.results.outcome import Outcome, StoreError
from search.service import run_sweep
from search.tracking.shown import ShownRuns
from tests.search.simulation import Driver, KilledError, simulated, sweep
from trainables.data.cache import CacheError

GRID = {"training": {"epochs": 2}, "stages": [{"name": "grid", "methods": {"standard": {}, "fgm": {}}}]}
TRIALS = 4
"""Two methods by two seeds."""


class FakeProjection:
    """A projection that only notes what it is asked for."""

    calls: list[tuple[Any, ...]]
    created = False

    def __init__(self, *_: object) -> None:
        type(self).calls = []

    def start(self, records: Sequence[Record], headline: Callable[[], str]) -> None:
        self.calls.append(("start",))

    def show(self, record: Record) -> None:
        """Nothing."""

    def drain(self) -> None:
        self.calls.append(("drain",))

    def shown(self) -> ShownRuns:
        return ShownRuns()

    def close(
        self,
        files: Sequence[Path],
        winners: Sequence[object],
        status: str,
        hurry: threading.Event,
        verdict: Mapping[str, str],
    ) -> str:
        self.calls.append(("close", status, [file.name for file in files]))
        return ""


def raising(error: BaseException) -> Callable[..., None]:
    """A function that raises an error."""

    def function(*_: object, **__: object) -> None:
        raise error

    return function


def half_way(error: BaseException) -> Callable[..., None]:
    """As `simulated`, with an error after three epochs: one trial has ended and another has not."""

    def function(engine: Engine, *_: object) -> None:
        with pytest.raises(KilledError):
            Driver(engine).run(epochs=3)
        raise error

    return function


def usage_error(cause: Exception | None) -> UsageError:
    """A wrong request, because of another error or by itself."""
    error = UsageError("cannot be done")
    error.__cause__ = cause
    return error


pytestmark = pytest.mark.usefixtures("without_ray")


@pytest.fixture
def projection(monkeypatch: pytest.MonkeyPatch) -> type[FakeProjection]:
    """Stands for MLflow."""
    monkeypatch.setattr(search.session, "Projection", FakeProjection)
    return FakeProjection


def _run(folder: Path, retry: bool = False, **changes: Any) -> Outcome:
    definition: Sweep = sweep(**{**GRID, **changes})
    return run_sweep(definition, Store(folder / "runs"), folder, Console(quiet=True), retry_failed=retry)


def test_a_sweep_that_comes_to_its_end_is_shown_drained_and_closed(
    tmp_path: Path, projection: type[FakeProjection]
) -> None:
    outcome = _run(tmp_path)
    assert outcome.done
    assert projection.calls == [
        ("start",),
        ("drain",),
        ("close", "FINISHED", ["report.html", "sweep.json"]),
    ]


ERRORS = [
    (OSError("no space left"), StoreError),
    (usage_error(PermissionError("read-only")), StoreError),
    (CacheError("cannot use the cache"), StoreError),
    (usage_error(None), RunError),
    (usage_error(ValueError("not a number")), RunError),
    (RuntimeError("a fault of the program"), RuntimeError),
    (KeyboardInterrupt(), KeyboardInterrupt),
    (SystemExit(1), SystemExit),
]


@pytest.mark.parametrize(("error", "meant"), ERRORS)
@pytest.mark.parametrize("name", ["run", "drain"])
def test_whatever_happens_is_raised_for_what_it_is_and_closes_what_is_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    projection: type[FakeProjection],
    name: str,
    error: BaseException,
    meant: type[BaseException],
) -> None:
    monkeypatch.setattr(tuning if name == "run" else projection, name, raising(error))
    _check(tmp_path, error, meant)
    drained = [("drain",)] if name == "run" else []
    ending = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
    assert projection.calls == [("start",), *drained, ("close", ending, [])]


@pytest.mark.parametrize(("error", "meant"), ERRORS[:6:3])
@pytest.mark.parametrize("name", ["write_report", "winners"])
def test_what_happens_after_the_training_does_so_too(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    projection: type[FakeProjection],
    name: str,
    error: BaseException,
    meant: type[BaseException],
) -> None:
    monkeypatch.setattr(search.session, name, raising(error))
    _check(tmp_path, error, meant)
    assert projection.calls == [("start",), ("drain",), ("close", "FAILED", [])]


def _check(folder: Path, error: BaseException, meant: type[BaseException]) -> None:
    with pytest.raises(meant) as raised:
        _run(folder)
    if issubclass(meant, RunError):
        assert type(raised.value) is meant
        assert raised.value.__cause__ is error
        assert str(error) in str(raised.value)
        assert len(str(raised.value).splitlines()) == 1
    else:
        assert raised.value is error


def test_mlflow_shows_a_run_that_broke_as_failed_and_goes_on_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "run", half_way(KeyError("a fault of the program")))
    with pytest.raises(KeyError):
        _run(tmp_path)
    assert _statuses(tmp_path) == {"parent": ["FAILED"], "trial": ["FINISHED", "KILLED"]}
    monkeypatch.setattr(tuning, "run", simulated)
    outcome = _run(tmp_path)
    assert [record.state for record in outcome.records] == [State.COMPLETE] * TRIALS
    assert _statuses(tmp_path) == {"parent": ["FINISHED"], "trial": ["FINISHED"] * TRIALS}


def _statuses(folder: Path) -> dict[str, list[str]]:
    """Statuses of the runs in MLflow, but for those of configurations."""
    client = MlflowClient(Store(folder / "runs").tracking_uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    found: dict[str, list[str]] = {"parent": [], "trial": []}
    for run in client.search_runs([experiment.experiment_id]):
        kind = {"sweep": "parent"}.get(run.data.tags["dropattack.kind"], run.data.tags["dropattack.kind"])
        found[kind] = sorted([*found.get(kind, []), run.info.status])
    assert "RUNNING" not in found.pop("configuration", [])
    return found


def _finished(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Outcome:
    """Runs a sweep to its end; from then on a run that asks for Ray fails."""
    outcome = _run(folder, **changes)
    for name in ("connect", "run"):
        monkeypatch.setattr(tuning, name, raising(AssertionError("Ray was asked for")))
    return outcome


def test_a_finished_sweep_run_again_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _finished(tmp_path, monkeypatch)
    monkeypatch.setattr(search.session, "finish_sweep", raising(AssertionError("MLflow was opened")))
    runs = Store(tmp_path / "runs").runs("small")
    again = _run(tmp_path)
    assert [(r.key, r.epochs) for r in again.records] == [(r.key, r.epochs) for r in first.records]
    assert (again.done, again.report, again.warning, again.limit) == (True, first.report, "", "")
    assert Store(tmp_path / "runs").runs("small") == runs, "no result came from it"


def test_a_finished_sweep_run_again_mends_what_was_lost_in_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = _finished(tmp_path / "one", monkeypatch).report.read_text(encoding="utf-8")
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("mlflow.db"))
    again = _run(tmp_path / "two")
    assert _statuses(tmp_path / "two") == {"parent": ["FINISHED"], "trial": ["FINISHED"] * TRIALS}
    assert again.report.read_text(encoding="utf-8") != links, "the report links to the runs there are now"


@pytest.mark.parametrize("change", ["older", "gone", "another"])
def test_a_report_is_written_again_where_it_is_not_what_was_written_or_older_than_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, projection: type[FakeProjection], change: str
) -> None:
    report = _finished(tmp_path, monkeypatch).report
    written = report.stat().st_mtime_ns
    (tmp_path / "runs" / "mlflow.db").touch()
    _run(tmp_path)
    assert report.stat().st_mtime_ns == written, "it is as new as the records"
    if change == "another":
        report.write_text("another report", encoding="utf-8")
    else:
        os.utime(report, ns=(1, 1)) if change == "older" else report.unlink()
    _run(tmp_path)
    assert report.stat().st_mtime_ns not in (1, written)
    assert "another report" not in report.read_text(encoding="utf-8")
    assert projection.calls[-1] == ("close", "FINISHED", ["report.html", "sweep.json"])


def test_a_finished_sweep_that_is_extended_goes_on(tmp_path: Path) -> None:
    _run(tmp_path)
    outcome = _run(tmp_path, seeds=[0, 1, 2])
    assert len(outcome.records) == TRIALS + 2
    assert Store(tmp_path / "runs").total("small") == TRIALS + 2


def test_a_cluster_that_cannot_be_joined_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "connect", raising(UsageError("cannot join the cluster")))
    with pytest.raises(UsageError, match="cannot join"):
        _run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_trials_that_failed_are_tried_again_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's run of such a trial ends as its record does, and the report has no failure left."""

    def fails(engine: Engine, *_: object) -> None:
        record = engine.next()
        assert record is not None
        engine.fail(record.key, "OSError: no space left")
        simulated(engine)

    monkeypatch.setattr(tuning, "run", fails)
    first = _run(tmp_path)
    assert len(first.failed) == 1
    monkeypatch.setattr(tuning, "run", simulated)
    unasked = _run(tmp_path)
    assert [record.reason for record in unasked.failed] == ["OSError: no space left"]
    again = _run(tmp_path, retry=True)
    assert ([record.key for record in again.records], again.failed) == ([r.key for r in first.records], [])
    assert _statuses(tmp_path) == {"parent": ["FINISHED"], "trial": ["FINISHED"] * TRIALS}
    client = MlflowClient(Store(tmp_path / "runs").tracking_uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    states = [run.data.tags.get("dropattack.state") for run in client.search_runs([experiment.experiment_id])]
    assert states.count("complete") == TRIALS
    assert _run(tmp_path, retry=True).failed == []
