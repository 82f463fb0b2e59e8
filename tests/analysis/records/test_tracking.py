"""Records that went through an MLflow database come back equal."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from analysis.records import Records, from_mlflow
from dropattack import UsageError
from tests.analysis import synthetic

_PARAMS = ("workload", "method", "seed", "passes", "targets", "epsilon", "p", "k")
_TAGS = ("key", "sweep", "stage", "state", "reason")
_FINAL = ("value", "best_epoch", "test_accuracy", "test_loss")


def log(client: MlflowClient, records: Records, folder: Path) -> None:
    """Writes records as the search service lays them out."""
    experiment = client.create_experiment("synthetic", artifact_location=folder.as_uri())
    tags = {"dropattack.kind": "sweep", "dropattack.version.torch": "2.13.0"}
    parent = client.create_run(experiment, run_name="synthetic", tags=tags)
    client.log_text(parent.info.run_id, json.dumps(dict(records.sweep)), "sweep.json")
    for row in records.trials.to_dict("records"):
        run = client.create_run(experiment)
        present = {name: value for name, value in row.items() if value is not None and value == value}
        kinds = {"dropattack.kind": "trial", "mlflow.parentRunId": parent.info.run_id}
        kinds |= {f"dropattack.{name}": str(row[name]) for name in _TAGS}
        params = {n: v for n, v in present.items() if n in _PARAMS or n.startswith("training.")}
        own = records.epochs[records.epochs["key"] == row["key"]].drop(columns="key")
        metrics = [Metric(n, present[n], 0, 0) for n in _FINAL if n in present]
        for epoch in own.to_dict("records"):
            step = int(epoch["epoch"])
            metrics += [Metric(str(n), v, 0, step) for n, v in epoch.items()]
        client.log_batch(
            run.info.run_id,
            metrics,
            [Param(n, str(v)) for n, v in params.items()],
            [RunTag(n, v) for n, v in kinds.items()],
        )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Records]:
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    records = synthetic.records(synthetic.trials(seeds=[0, 1], epsilons=[1, 5], ps=[0.5], targets=["input"]))
    log(MlflowClient(uri), records, folder / "artifacts")
    return uri, records


def test_round_trip(stored: tuple[str, Records]) -> None:
    uri, original = stored
    back = from_mlflow(uri, "synthetic")
    assert (back.name, back.select, back.mode) == ("synthetic", "valid_accuracy", "max")
    assert (back.sweep, back.versions) == (original.sweep, {"torch": "2.13.0"})
    shared = [*_TAGS, *_PARAMS, *_FINAL, "training.epochs", "epochs"]
    pd.testing.assert_frame_equal(back.trials[shared], original.trials[shared], check_dtype=False)
    pd.testing.assert_frame_equal(back.epochs, original.epochs, check_like=True, check_dtype=False)


def test_histories_are_asked_for_in_bulk(
    stored: tuple[str, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    asked: list[int] = []
    real = SqlAlchemyStore.get_metric_history_bulk

    def counted(store: Any, run_ids: list[str], *rest: Any) -> Any:
        asked.append(len(run_ids))
        return real(store, run_ids, *rest)

    def refused(*_: Any) -> None:
        raise AssertionError("one request per run")

    monkeypatch.setattr(SqlAlchemyStore, "get_metric_history_bulk", counted)
    monkeypatch.setattr(SqlAlchemyStore, "get_metric_history", refused)
    uri, original = stored
    from_mlflow(uri, "synthetic")
    assert set(asked) == {len(original.trials)}


def test_seconds_are_those_of_the_whole_trial(stored: tuple[str, Records]) -> None:
    """Five epochs of half a second each; MLflow's own metric is the last one's."""
    uri, _ = stored
    run = MlflowClient(uri).search_runs(["1"], "tags.`dropattack.kind` = 'trial'")[0]
    assert run.data.metrics["seconds"] == 0.5
    assert set(from_mlflow(uri, "synthetic").trials["seconds"]) == {2.5}


def test_long_histories_are_not_cut_off(stored: tuple[str, Records], monkeypatch: pytest.MonkeyPatch) -> None:
    """A request gives so many values and no more: with room for seven, one run of five epochs fits."""
    uri, original = stored
    monkeypatch.setattr("analysis.records.tracking._MOST_VALUES", 7)
    assert len(from_mlflow(uri, "synthetic").epochs) == len(original.epochs)


def test_unknown_sweep(stored: tuple[str, Records]) -> None:
    with pytest.raises(UsageError, match="has no sweep 'nothing'"):
        from_mlflow(stored[0], "nothing")


@pytest.fixture(autouse=True)
def _leave_the_default_store_alone() -> Any:
    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


def test_accuracies_are_not_rounded(stored: tuple[str, Records]) -> None:
    uri, original = stored
    values = from_mlflow(uri, "synthetic").trials["test_accuracy"]
    assert np.array_equal(values, original.trials["test_accuracy"])
