"""Sweeps without Ray and without training, shown in a real MLflow; and whether MLflow shows them whole."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from search.definition.sweep import Sweep
from search.records.provenance import Provenance
from search.records.record import Record, State
from search.tracking.projection import Projection
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, KilledError, engine, sweep
from trainables.trial import Trial


def named(name: str) -> Sweep:
    """A sweep of six trials: a grid, and a search that ASHA prunes."""
    grid = {"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0]}}}
    search_ = {
        "name": "search",
        "search": {"kind": "random", "trials": 4},
        "scheduler": "asha",
        "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}}},
    }
    return sweep(name=name, seeds=[0], training={"epochs": 3}, stages=[grid, search_])


def run_simulated(
    folder: Path,
    definition: Sweep,
    uri: str,
    epochs: int | None = None,
    of: Provenance | None = None,
    artifacts: Path | None = None,
    driver: type[Driver] = Driver,
) -> str:
    """Runs a simulated sweep with a projection; a killed one leaves MLflow where it is."""
    tested = engine(folder, definition)
    versions = {"torch": "2.0, 2.1"}
    place = artifacts or folder / "artifacts"
    projection = Projection(uri, definition, place, versions, (of or Provenance()).facts)
    tested.listeners.append(projection.show)
    projection.start(tested.records)
    try:
        driver(tested, slots=2).run(epochs)
    except KilledError:
        projection.drain(PATIENCE_SECONDS)
        raise
    projection.drain(PATIENCE_SECONDS)
    return projection.close([folder / "journal.log"])


def shown_by(uri: str, name: str) -> list[Run]:
    """The runs that MLflow shows of a sweep."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def check_shown(uri: str, definition: Sweep, records: Sequence[Record], experiment: str = "") -> None:
    """Fails unless MLflow shows every record once, with its status, params, metrics and tags."""
    runs = shown_by(uri, experiment or definition.name)
    (parent,) = (r for r in runs if r.data.tags.get("dropattack.kind") == "sweep")
    trials = {r.data.tags["dropattack.key"]: r for r in runs if r.data.tags.get("dropattack.kind") == "trial"}
    means = _check_configurations(runs, parent, definition, records)
    assert len(runs) == len(trials) + len(means) + 1, "a run stands there twice"
    assert trials.keys() == {record.key for record in records}
    assert not [r for r in runs if r.info.status == "RUNNING"]
    statuses = {State.COMPLETE: "FINISHED", State.PRUNED: "KILLED", State.FAILED: "FAILED"}
    client = MlflowClient(uri)
    for record in records:
        run = trials[record.key]
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == means[record.identity.configuration].info.run_id
        assert Trial.from_dict(json.loads(tags["dropattack.trial"])).key == record.key
        assert tags["dropattack.configuration_id"] == record.identity.configuration
        assert tags["dropattack.workload"] == record.trial.workload
        assert tags.get("dropattack.reason", "") == record.reason
        assert run.info.status == statuses[record.state]
        assert run.data.tags["dropattack.state"] == record.state.value
        assert run.data.params["epsilon"] == str(record.trial.hyperparameters["epsilon"])
        assert run.data.params["seed"] == str(record.trial.seed)
        assert run.info.end_time == int(record.epochs[-1]["recorded_at"] * 1000)
        assert run.data.metrics["valid_accuracy"] == record.epochs[-1]["valid_accuracy"]
        assert run.data.metrics["best/valid_accuracy"] == record.value(definition.select)
        assert tags["dropattack.epochs"] == str(len(record.epochs))
        assert not {"epoch", "best_epoch", "seconds"} & run.data.metrics.keys()
        for name in ("test_accuracy", "best/test_accuracy"):
            tested = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
            assert tested == [(0, e["test_accuracy"]) for e in record.epochs if "test_accuracy" in e]
        history = client.get_metric_history(run.info.run_id, "valid_accuracy")
        assert {m.step: m.value for m in history} == {m["epoch"]: m["valid_accuracy"] for m in record.epochs}
        assert len(history) == len(record.epochs)


def _check_configurations(
    runs: Sequence[Run], parent: Run, definition: Sweep, records: Sequence[Record]
) -> dict[str, Run]:
    """Fails unless each configuration has one run, over those of its trials, with the mean over its seeds."""
    own = [run for run in runs if run.data.tags.get("dropattack.kind") == "configuration"]
    shown = {run.data.tags["dropattack.configuration_id"]: run for run in own}
    assert len(own) == len(shown), "a configuration stands there twice"
    assert shown.keys() == {record.identity.configuration for record in records}
    for name, run in shown.items():
        trials = [record for record in records if record.identity.configuration == name]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params["epsilon"] == str(trials[0].trial.hyperparameters["epsilon"])
        assert "seed" not in run.data.params
        values = {r.trial.seed: r.value(definition.select) for r in trials if r.state is State.COMPLETE}
        assert run.info.status == ("FINISHED" if values else "KILLED")
        assert run.data.metrics.get("best/seeds", 0) == len(values)
        found = [value for value in values.values() if value is not None]
        expected = pytest.approx(statistics.fmean(found)) if found else None
        assert run.data.metrics.get("best/valid_accuracy") == expected
    return shown
