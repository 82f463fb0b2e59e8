"""Runs that are written at once are those that MLflow's client would have made of the same records."""

import math
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, ViewType
from mlflow.entities.run import Run
from mlflow.exceptions import MlflowException

from search.records.record import Record
from search.tracking.projection import Projection
from search.tracking.trouble import lasts
from search.tracking.whole import WholeRuns
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, KilledError, engine, sweep
from tests.search.tracking.simulated import shown_by

_TAGS = {"mlflow.runName": "x", "mine": "a"}
_METRIC = Metric("valid_accuracy", 0.5, 1000, 1)


def _records(folder: Path) -> Sequence[Record]:
    """Trials that are complete, stopped, failed, and still running; of several seeds."""
    space = {"dropattack": {"epsilon": {"low": 0.1, "high": 5}}}
    stages = [
        {"name": "search", "search": {"kind": "random", "trials": 6}, "scheduler": "asha", "methods": space},
        {"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.5]}}},
    ]
    tested = engine(folder, sweep(name="of", seeds=[0, 1], training={"epochs": 4}, stages=stages))
    failing = tested.next()
    assert failing is not None
    tested.report(failing.key, {"epoch": 1, "valid_accuracy": 0.5, "train_loss": math.inf})
    tested.fail(failing.key, "out of memory")
    with pytest.raises(KilledError):
        Driver(tested, slots=3).run(20)
    assert {record.state.value for record in tested.records} == {"complete", "failed", "pruned", "running"}
    return tested.records


def _told(uri: str, run: Run) -> dict[str, Any]:
    """All that MLflow tells of a run but ids, and what the clock said as it was made."""
    client, trial = MlflowClient(uri), run.data.tags["dropattack.kind"] == "trial"
    info = {name: value for name, value in dict(run.info).items() if not name.endswith(("_id", "uuid"))}
    info["artifact_uri"] = info["artifact_uri"].replace(run.info.run_id, "ID")
    if run.info.status == "RUNNING":
        info["start_time"] = 0
    tags = run.data.tags.items()
    return info | {
        "tags": {
            name: value for name, value in tags if name not in ("mlflow.parentRunId", "dropattack.sweep")
        },
        "parents": {name for name, _ in tags},
        "params": run.data.params,
        "latest": run.data.metrics,
        "metrics": {
            name: [
                (metric.step, metric.value, metric.timestamp if trial else 0)
                for metric in client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
        },
    }


def _rows(uri: str, run: str) -> tuple[Any, ...]:
    """What the database has of a run beside that."""
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        columns = "source_type, source_name, entry_point_name, user_id, source_version, deleted_time"
        (row,) = database.execute(f"SELECT {columns} FROM runs WHERE run_uuid = ?", (run,)).fetchall()
        nan = database.execute(
            "SELECT DISTINCT is_nan, typeof(value) FROM metrics WHERE run_uuid = ?", (run,)
        )
        return (*row, nan.fetchall())


def test_they_are_as_the_client_makes_them(tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of, shown = _records(tmp_path), list[list[Any]]()
    for name in ("at-once", "by-requests"):
        if shown:
            monkeypatch.setattr(WholeRuns, "write", lambda *_: None)
        projection = Projection(uri, sweep(name=name), tmp_path / "artifacts", {})
        projection.start(of)
        projection.drain(PATIENCE_SECONDS)
        runs = [run for run in shown_by(uri, name) if run.data.tags["dropattack.kind"] != "sweep"]
        runs.sort(key=lambda run: (run.data.tags["dropattack.kind"], run.info.run_name))
        ids = {run.info.run_id: run.info.run_name for run in runs}
        parents = [ids.get(run.data.tags["mlflow.parentRunId"], "the sweep") for run in runs]
        shown.append([parents, [_told(uri, run) for run in runs], [_rows(uri, i) for i in ids]])
    for at_once, by_requests in zip(*shown, strict=True):
        assert at_once == by_requests


@pytest.fixture(scope="module")
def experiment(uri: str) -> Experiment:
    client = MlflowClient(uri)
    return client.get_experiment(client.create_experiment("own", artifact_location="file:///files"))


@pytest.mark.parametrize(
    ("tags", "params", "metrics"),
    [
        ({"long": "v" * 8001}, {}, []),
        ({}, {"long": "v" * 6001}, []),
        ({}, {"n" * 251: "v"}, []),
        ({}, {"odd?": "v"}, []),
        ({}, {"../up": "v"}, []),
        ({}, {}, [Metric("a//b", 0.5, 1000, 1)]),
        ({}, {}, [Metric("valid_accuracy", math.nan, 1000, 1)]),
        ({"mlflow.runName": ""}, {}, []),
    ],
)
def test_what_mlflow_would_refuse_or_cut_is_left_to_it(
    uri: str,
    experiment: Experiment,
    tags: dict[str, str],
    params: dict[str, str],
    metrics: list[Metric],
) -> None:
    whole = WholeRuns(uri, experiment)
    assert whole.write(_TAGS | tags, params, metrics, "FINISHED", 1, 2) is None
    assert whole.write(_TAGS, {}, [], "FINISHED", 1, 2) is not None


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "postgresql://host/db", "sqlite:///a%20b.db"])
def test_other_places_are_left_to_mlflow(experiment: Experiment, address: str) -> None:
    assert WholeRuns(address, experiment).write(_TAGS, {}, [], "FINISHED", 1, 2) is None


def test_a_server_may_name_experiments_as_it_likes() -> None:
    experiment = Experiment("9f3c-of-the-server", "named", "wherever:/artifacts", "active")
    assert WholeRuns("http://127.0.0.1:9", experiment).write(_TAGS, {}, [], "FINISHED", 1, 2) is None


def test_a_database_that_cannot_be_opened_is_left_to_mlflow(tmp_path: Path, experiment: Experiment) -> None:
    for place in (":memory:", str(tmp_path / "nowhere" / "mlflow.db"), str(tmp_path)):
        assert WholeRuns(f"sqlite:///{place}", experiment).write(_TAGS, {}, [], "FINISHED", 1, 2) is None


def test_tables_of_another_mlflow_are_left_to_it(tmp_path: Path, uri: str, experiment: Experiment) -> None:
    """Whose runs lack a column, or have one more that none may leave out."""
    own: dict[str, list[str]] = {}
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as real:
        for name in ("experiments", "runs", "tags", "params", "metrics", "latest_metrics"):
            own[name] = [row[1] for row in real.execute(f"PRAGMA table_info({name})")]
    lacking = [column for column in own["runs"] if column != "user_id"]
    optional, needed = [*own["runs"], "team TEXT"], [*own["runs"], "team TEXT NOT NULL"]
    for columns, known in ((own["runs"], True), (optional, True), (lacking, False), (needed, False)):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
        with closing(sqlite3.connect(path)) as other, other:
            for name, of_table in {**own, "runs": columns}.items():
                other.execute(f"CREATE TABLE {name} ({', '.join(of_table)})")
            row = (int(experiment.experiment_id), "active")
            other.execute("INSERT INTO experiments (experiment_id, lifecycle_stage) VALUES (?, ?)", row)
        run = WholeRuns(f"sqlite:///{path}", experiment).write(_TAGS, {}, [], "FINISHED", 1, 2)
        assert (run is not None) == known


def test_of_a_deleted_experiment_none_is_written(uri: str) -> None:
    client = MlflowClient(uri)
    experiment = client.get_experiment(client.create_experiment("deleted"))
    whole = WholeRuns(uri, experiment)
    client.delete_experiment(experiment.experiment_id)
    assert whole.write(_TAGS, {}, [], "FINISHED", 1, 2) is None
    client.restore_experiment(experiment.experiment_id)
    assert whole.write(_TAGS, {}, [], "FINISHED", 1, 2) is not None


def test_one_that_cannot_be_written_to_its_end_is_not_there(uri: str, experiment: Experiment) -> None:
    client, whole = MlflowClient(uri), WholeRuns(uri, experiment)
    before = len(client.search_runs([experiment.experiment_id]))
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        full = "BEFORE INSERT ON latest_metrics BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        database.execute(f"CREATE TRIGGER full {full}")
        with pytest.raises(sqlite3.Error, match="disk is full"):
            whole.write(_TAGS, {"epsilon": "1"}, [_METRIC], "FINISHED", 1, 2)
        database.execute("DROP TRIGGER full")
    assert len(client.search_runs([experiment.experiment_id])) == before
    run = whole.write(_TAGS, {"epsilon": "1"}, [_METRIC, _METRIC], "FINISHED", 1, 2)
    assert run is not None
    assert client.get_run(run.run_id).data.metrics == {"valid_accuracy": 0.5}
    assert len(client.get_metric_history(run.run_id, "valid_accuracy")) == 1


def _changes(uri: str) -> int:
    """How many transactions have ever changed a database: its own count, in its header."""
    return int.from_bytes(Path(uri.removeprefix("sqlite:///")).read_bytes()[24:28], "big")


def test_runs_that_gather_are_few_transactions_and_all_there_at_the_end(
    uri: str, experiment: Experiment
) -> None:
    client, whole = MlflowClient(uri), WholeRuns(uri, experiment)
    before = _changes(uri)
    with whole.together():
        runs = [whole.write(_TAGS, {"n": str(n)}, [_METRIC], "FINISHED", 1, 2) for n in range(250)]
        ids = [run.run_id for run in runs if run is not None]
        assert [whole.is_there(run) for run in (ids[0], ids[-1])] == [True, False]
        whole.ensure(ids[0])
        assert not whole.is_there(ids[-1])
        whole.ensure(ids[-1])
        assert client.get_run(ids[-1]).data.params == {"n": "249"}
        assert whole.write(_TAGS, {"n": "last"}, [], "FINISHED", 1, 2) is not None
    assert _changes(uri) - before <= 5
    shown = client.search_runs([experiment.experiment_id], "params.n != ''")
    assert sorted(run.data.params["n"] for run in shown) == sorted([*map(str, range(250)), "last"])
    assert len(set(ids)) == 250
    assert [run[:12] for run in ids] == sorted(run[:12] for run in ids), "later rows come after earlier ones"


def test_of_runs_that_gather_none_is_there_where_one_cannot_be_written(
    uri: str, experiment: Experiment
) -> None:
    whole = WholeRuns(uri, experiment)
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        there = database.execute("SELECT count(*) FROM runs").fetchone()
        full = "BEFORE INSERT ON params WHEN new.key = 'b' BEGIN SELECT RAISE(ABORT, 'full'); END"
        database.execute(f"CREATE TRIGGER full {full}")
        with pytest.raises(sqlite3.Error, match="full"), whole.together():
            runs = [whole.write(_TAGS, {name: "1"}, [], "FINISHED", 1, 2) for name in "abc"]
        database.execute("DROP TRIGGER full")
        assert database.execute("SELECT count(*) FROM runs").fetchone() == there
    assert whole.lost == {run.run_id for run in runs if run is not None}
    assert len(whole.lost) == 3
    assert whole.write(_TAGS, {"d": "1"}, [], "FINISHED", 1, 2) is not None


def test_of_an_experiment_that_is_deleted_while_runs_gather_none_is_written(uri: str) -> None:
    client = MlflowClient(uri)
    experiment = client.get_experiment(client.create_experiment("deleted-meanwhile"))
    whole = WholeRuns(uri, experiment)

    def write() -> None:
        with whole.together():
            assert whole.write(_TAGS, {}, [], "FINISHED", 1, 2) is not None
            client.delete_experiment(experiment.experiment_id)

    with pytest.raises(MlflowException, match="deleted") as error:
        write()
    assert lasts(error.value)
    assert client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL) == []


def test_a_closed_one_leaves_runs_to_the_client_and_keeps_no_database_open(
    uri: str, experiment: Experiment
) -> None:
    def is_open() -> int:
        path = os.path.realpath(uri.removeprefix("sqlite:///"))
        return sum(os.path.realpath(each) == path for each in Path("/proc/self/fd").iterdir())

    before, whole = is_open(), WholeRuns(uri, experiment)
    assert whole.write(_TAGS, {}, [], "FINISHED", 1, 2) is not None
    assert is_open() == before + 1
    whole.close()
    assert is_open() == before
    assert whole.write(_TAGS, {}, [], "FINISHED", 1, 2) is None
