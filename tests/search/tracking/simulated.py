"""Sweeps without Ray and without training, shown in a real MLflow; and whether MLflow shows them whole."""

import json
from collections.abc import Sequence
from pathlib import Path

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
) -> str:
    """Runs a simulated sweep with a projection; a killed one leaves MLflow where it is."""
    tested = engine(folder, definition)
    versions = {"torch": "2.0, 2.1"}
    place = artifacts or folder / "artifacts"
    projection = Projection(uri, definition, place, versions, (of or Provenance()).facts)
    tested.listeners.append(projection.show)
    projection.start(tested.records)
    try:
        Driver(tested, slots=2).run(epochs)
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
    assert len(runs) == len(trials) + 1, "a run stands there twice"
    assert trials.keys() == {record.key for record in records}
    assert not [r for r in runs if r.info.status == "RUNNING"]
    statuses = {State.COMPLETE: "FINISHED", State.PRUNED: "KILLED", State.FAILED: "FAILED"}
    client = MlflowClient(uri)
    for record in records:
        run = trials[record.key]
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
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
        assert run.data.metrics["value"] == record.value(definition.select)
        history = client.get_metric_history(run.info.run_id, "valid_accuracy")
        assert {m.step: m.value for m in history} == {m["epoch"]: m["valid_accuracy"] for m in record.epochs}
        assert len(history) == len(record.epochs)
