"""MLflow shows each trial key once, whatever happens on the way."""

import gc
import signal
import sqlite3
import threading
import time
import weakref
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

import search.tracking.projection
import search.tracking.runs
from analysis.records import from_mlflow
from search.records.naming import run_name
from search.records.provenance import Provenance
from search.tracking.found import FoundRun
from search.tracking.projection import Projection
from search.tracking.shown import shown_runs
from search.tracking.whole import WholeRuns
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, KilledError, engine
from tests.search.tracking.simulated import check_shown, named, run_simulated, shown_by
from trainables.trial import Trial
from trainables.workloads import TrainingSettings


def test_every_key_has_one_run_with_its_metrics_and_status_as_it_is(tmp_path: Path, uri: str) -> None:
    definition = named("undisturbed")
    assert run_simulated(tmp_path, definition, uri) == ""
    check_shown(uri, definition, list(engine(tmp_path, definition).records))
    parent = next(r for r in shown_by(uri, "undisturbed") if r.data.tags["dropattack.kind"] == "sweep")
    names = {artifact.path for artifact in MlflowClient(uri).list_artifacts(parent.info.run_id)}
    assert names == {"sweep.json", "journal.log"}
    assert parent.data.tags["dropattack.command"] == "dropattack run sweep.json"
    assert parent.data.tags["dropattack.version.torch"] == "2.0, 2.1"
    assert set(shown_runs(uri, "undisturbed").ids) == {r.key for r in engine(tmp_path, definition).records}


def test_killed_and_run_again_shows_the_same_as_undisturbed(tmp_path: Path, uri: str, way: str) -> None:
    definition = named(f"killed-{way}")
    for epochs in (1, 4, 2):
        with pytest.raises(KilledError):
            run_simulated(tmp_path, definition, uri, epochs)
    assert run_simulated(tmp_path, definition, uri) == ""
    check_shown(uri, definition, list(engine(tmp_path, definition).records))


def test_the_parent_run_shows_where_the_last_run_came_from(tmp_path: Path, uri: str) -> None:
    """What an earlier run had and the last one has not, such as a commit, is not left there."""
    definition = named("provenance")
    for of in (
        Provenance(commit="3bc2", tree="changed", host="n1", cores="8"),
        Provenance(command="x" * 20_000, host="n2", cores="2"),
    ):
        assert run_simulated(tmp_path, definition, uri, of=of) == ""
    parent = next(r for r in shown_by(uri, "provenance") if r.data.tags["dropattack.kind"] == "sweep")
    shown = {n: v for n, v in parent.data.tags.items() if n.startswith("dropattack.run.")}
    assert shown.pop("dropattack.run.command") == "x" * 5000
    assert {name: value for name, value in shown.items() if value} == {
        "dropattack.run.host": "n2",
        "dropattack.run.cores": "2",
    }
    assert from_mlflow(uri, "provenance").runs[0]["host"] == "n2"


def test_running_a_finished_sweep_again_changes_no_run(tmp_path: Path, uri: str) -> None:
    definition = named("again")
    run_simulated(tmp_path, definition, uri)
    before = {
        r.info.run_id: r.info.end_time for r in shown_by(uri, "again") if "dropattack.key" in r.data.tags
    }
    run_simulated(tmp_path, definition, uri)
    after = {
        r.info.run_id: r.info.end_time for r in shown_by(uri, "again") if "dropattack.key" in r.data.tags
    }
    assert after == before


def test_a_call_that_fails_after_the_server_did_its_part_leaves_no_second_run(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, log = MlflowClient.create_run, MlflowClient.log_batch
    calls = {"create": 0, "log": 0}

    def create_and_lose_the_answer(self: MlflowClient, *args: Any, **options: Any) -> Run:
        run = create(self, *args, **options)
        calls["create"] += 1
        if calls["create"] in (3, 5):
            raise TimeoutError("no answer")
        return run

    def refuse_now_and_then(self: MlflowClient, *args: Any, **options: Any) -> None:
        calls["log"] += 1
        if calls["log"] % 4 == 0:
            raise ConnectionError("500")
        log(self, *args, **options)

    monkeypatch.setattr(WholeRuns, "write", lambda *_: None)
    monkeypatch.setattr(MlflowClient, "create_run", create_and_lose_the_answer)
    monkeypatch.setattr(MlflowClient, "log_batch", refuse_now_and_then)
    definition = named("unreliable")
    assert run_simulated(tmp_path, definition, uri) == ""
    check_shown(uri, definition, list(engine(tmp_path, definition).records))


def test_a_write_that_fails_before_or_after_it_took_effect_leaves_no_second_run(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = WholeRuns.write, count(1)

    def fail_now_and_then(self: WholeRuns, *args: Any) -> FoundRun | None:
        call = next(calls)
        if call in (2, 7):
            raise sqlite3.OperationalError("database is locked")
        run = write(self, *args)
        if call in (3, 5):
            raise sqlite3.OperationalError("disk I/O error")
        return run

    monkeypatch.setattr(WholeRuns, "write", fail_now_and_then)
    definition = named("unreliable-disk")
    assert run_simulated(tmp_path, definition, uri) == ""
    assert next(calls) > 7
    check_shown(uri, definition, list(engine(tmp_path, definition).records))


def test_runs_that_could_not_be_written_together_are_counted_and_written_again(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, calls, behind = WholeRuns.settle, count(1), list[str]()

    def fail_at_first(self: WholeRuns) -> None:
        with monkeypatch.context() as context:
            if self._gathered and next(calls) <= 2:
                context.setattr(WholeRuns, "_is_active", lambda *_: 1 / 0)
            settle(self)

    definition = named("unreliable-together")
    tested = engine(tmp_path, definition)
    Driver(tested, slots=2).run()
    projection = Projection(uri, definition, tmp_path / "artifacts", {})
    forget = Projection._forget

    def note_and_forget(self: Projection) -> None:
        forget(self)
        behind.append(self._shortfall)

    monkeypatch.setattr(Projection, "_forget", note_and_forget)
    monkeypatch.setattr(WholeRuns, "settle", fail_at_first)
    projection.start(tested.records)
    projection.drain(PATIENCE_SECONDS)
    assert projection.close([]) == ""
    keys = len({record.key for record in tested.records})
    assert [each.partition(" (")[0] for each in behind[:1]] == [f"is behind by {keys} trials"]
    check_shown(uri, definition, list(tested.records))


def test_a_projection_that_has_ended_keeps_no_database_open(tmp_path: Path, uri: str) -> None:
    definition = named("ended")
    tested = engine(tmp_path, definition)
    Driver(tested, slots=2).run()
    projection = Projection(uri, definition, tmp_path / "artifacts", {})
    projection.start(tested.records)
    projection.drain(PATIENCE_SECONDS)
    assert projection._runs is not None
    assert projection._runs._whole._database is not None
    assert projection.close([]) == ""
    assert projection._runs._whole._database is None


def test_what_is_forgotten_is_freed_at_once_with_its_database(tmp_path: Path, uri: str) -> None:
    """A collector that runs now and then would leave two pictures of all trials in memory."""
    definition = named("forgotten")
    tested = engine(tmp_path, definition)
    Driver(tested, slots=2).run()
    projection = Projection(uri, definition, tmp_path / "artifacts", {})
    for record in tested.records:
        projection.show(record)
    projection._show_all()
    assert projection._runs is not None
    runs, whole = weakref.ref(projection._runs), projection._runs._whole
    gc.disable()
    try:
        projection._forget()
        assert runs() is None
    finally:
        gc.enable()
    assert whole._database is None


def test_a_server_that_is_down_delays_the_picture_and_loses_nothing(tmp_path: Path, uri: str) -> None:
    definition = named("outage")
    tested = engine(tmp_path, definition)
    projection = Projection("http://127.0.0.1:9", definition, None, {})
    tested.listeners.append(projection.show)
    projection.start(tested.records)
    Driver(tested).run()
    projection.drain(0.1)
    assert "is behind by 6 trials" in projection.close([])
    assert run_simulated(tmp_path, definition, uri) == ""
    check_shown(uri, definition, list(tested.records))


def test_metrics_that_are_not_finite_are_named_in_a_tag(tmp_path: Path, uri: str) -> None:
    definition = named("infinite")
    tested = engine(tmp_path, definition)
    record = tested.next()
    assert record is not None
    for epoch in (1, 2):
        tested.report(record.key, {"epoch": epoch, "valid_accuracy": 0.5, "valid_loss": float("inf")})
        projection = Projection(uri, definition, tmp_path / "artifacts", {})
        projection.start(tested.records)
        projection.drain(PATIENCE_SECONDS)
        assert projection.close([]) == ""
    run = next(r for r in shown_by(uri, "infinite") if r.data.tags["dropattack.kind"] == "trial")
    assert run.data.tags["dropattack.not-finite"] == "valid_loss@1=inf valid_loss@2=inf"
    assert "valid_loss" not in run.data.metrics


def test_a_run_is_named_by_what_tells_it_apart() -> None:
    hyperparameters = {"targets": "conv1.w+input", "epsilon": 5, "p": 0.5, "k": 2}
    trial = Trial.make("digits-lenet5", "dropattack", hyperparameters, TrainingSettings(), 3, "")
    assert run_name(trial) == "dropattack input+conv1.w ε=5 p=0.5 k=2 seed=3"
    control = Trial.make("digits-lenet5", "dropattack", {"control": "eps-zero"}, TrainingSettings(), 3, "")
    assert run_name(control) == "dropattack input ε=5 p=0.5 k=1 control=eps-zero seed=3"


def test_an_interrupt_while_mlflow_is_waited_for_does_not_make_it_look_done(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Thread.join` that is interrupted marks a thread that works as ended."""
    definition = named("interrupted-drain")
    tested = engine(tmp_path, definition)
    projection = Projection(uri, definition, tmp_path / "artifacts", {})
    runs = search.tracking.runs.SweepRuns
    show, finish, busy = runs.show, runs.finish, threading.Event()
    met: list[object] = []
    waited_for, main = threading.Event(), threading.get_ident()

    def slowly(self: search.tracking.runs.SweepRuns, *args: Any) -> None:
        waited_for.wait()
        busy.set()
        time.sleep(0.3)
        if not met:
            met.append("interrupted")
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.3)
        show(self, *args)
        busy.clear()

    def noting(self: search.tracking.runs.SweepRuns, *args: Any) -> None:
        met.append(busy.is_set())
        finish(self, *args)

    monkeypatch.setattr(runs, "show", slowly)
    monkeypatch.setattr(runs, "finish", noting)
    tested.listeners.append(projection.show)
    projection.start(tested.records)
    Driver(tested, slots=2).run()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    waited_for.set()
    with pytest.raises(KeyboardInterrupt):
        projection.drain(PATIENCE_SECONDS)
    signal.signal(signal.SIGINT, before)
    projection.close([], status="KILLED")
    assert met == ["interrupted", False], "both threads spoke to MLflow"
    assert not [run for run in shown_by(uri, definition.name) if run.info.status == "RUNNING"]


def test_an_ending_that_hangs_is_waited_for_until_there_is_hurry(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = named("hanging")
    projection = Projection(uri, definition, tmp_path / "artifacts", {})
    projection.start([])
    projection.drain(PATIENCE_SECONDS)
    monkeypatch.setattr(search.tracking.projection, "_LAST_SECONDS", 0.1)
    go_on, hurry = threading.Event(), threading.Event()
    monkeypatch.setattr(search.tracking.runs.SweepRuns, "finish", lambda *args: go_on.wait())
    threading.Timer(0.5, hurry.set).start()
    since = time.monotonic()
    said = projection.close([], hurry=hurry)
    assert time.monotonic() - since >= 0.5
    assert "did not take the report (it does not answer)" in said
    go_on.set()
