"""The runs of a sweep in MLflow: one per trial key under a parent, each brought up to its record."""

import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunStatus, RunTag
from mlflow.utils.mlflow_tags import (
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_SOURCE_NAME,
)

from analysis.records import CONFIGURATION, CONTROL
from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.tracking.shown import KEY, TAG, all_runs
from trainables.trial import Trial

_RUN_STATUS = {
    State.RUNNING: RunStatus.RUNNING,
    State.COMPLETE: RunStatus.FINISHED,
    State.PRUNED: RunStatus.KILLED,
    State.FAILED: RunStatus.FAILED,
}
_BATCH = 1000
_LAST_METRIC = "epoch"
_DEFINITION = "sweep.json"


Winner = tuple[str, Sequence[Path]]
"""Key of the trial that gives a workload's best model, and the files of that model."""


class SweepRuns:
    """The runs of one sweep's experiment: asked for once, then kept in step.

    Args:
        uri: Tracking URI.
        sweep: The sweep; its name names the experiment and the parent run.
        artifacts: Where a new experiment keeps its artifacts; ``None`` leaves that to the server.
        versions: What the sweep has run with.
        provenance: Where the results of this run come from, by name.

    Attributes:
        experiment: Id of the experiment.
        parent: Id of the sweep's own run.
        ids: Run id by trial key.
        created: Whether it created any of these runs itself.
    """

    def __init__(
        self,
        uri: str,
        sweep: Sweep,
        artifacts: Path | None,
        versions: Mapping[str, str],
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = MlflowClient(uri)
        self._sweep = sweep
        self.experiment = self._find_experiment(artifacts)
        self.ids: dict[str, str] = {}
        self.created = False
        self._epochs: dict[str, int] = {}
        self._states: dict[str, str] = {}
        self._described: set[str] = set()
        self._named: set[str] = set()
        self._ended: set[str] = set()
        self._shown_headline = ""
        parent = None
        for run in all_runs(self._client, self.experiment):
            if run.data.tags.get(f"{TAG}kind") == "sweep":
                parent = run.info.run_id
            elif KEY in run.data.tags:
                self._remember(run)
        self.parent = parent or self._create_parent()
        self._client.update_run(self.parent, status=RunStatus.to_string(RunStatus.RUNNING))
        self._client.log_dict(self.parent, sweep.model_dump(mode="json"), _DEFINITION)
        found = {f"{TAG}command": f"dropattack run {_DEFINITION}"}
        found |= {f"{TAG}version.{name}": value for name, value in versions.items()}
        found |= {f"{TAG}run.{name}": value[:5000] for name, value in (provenance or {}).items()}
        self._client.log_batch(self.parent, tags=[RunTag(name, value) for name, value in found.items()])

    def show(self, record: Record, state: State, epochs: Sequence[Mapping[str, float]]) -> None:
        """Brings one run up to its record."""
        key = record.key
        self._adopt(record)
        if key not in self.ids:
            if record.reused_from and not record.reused_from.startswith(f"{self._sweep.name}/"):
                return
            self._create(record)
        if self._states[key] == state.value and self._epochs[key] >= len(epochs):
            return
        run_id = self.ids[key]
        new = epochs[self._epochs[key] :]
        metrics, odd = _metrics(new), _not_finite(epochs)
        tags = [RunTag(f"{TAG}state", state.value)]
        tags += [RunTag(f"{TAG}not-finite", " ".join(odd))] if odd else []
        tags += [RunTag(f"{TAG}reason", record.reason[:5000])] if record.reason else []
        select = self._sweep.select
        best = max(epochs, key=lambda m: select.sign * m[select.column], default=None)
        if best is not None and state is not State.RUNNING:
            at = int(epochs[-1]["recorded_at"] * 1000)
            metrics.append(Metric("value", best[select.column], at, 0))
        for start in range(0, max(len(metrics), 1), _BATCH):
            params = [] if key in self._described else _params(record.trial)
            self._client.log_batch(run_id, metrics[start : start + _BATCH], params, tags)
            self._described.add(key)
        if state is not State.RUNNING:
            ended = int(epochs[-1]["recorded_at"] * 1000) if epochs else None
            self._client.set_terminated(run_id, RunStatus.to_string(_RUN_STATUS[state]), ended)
            self._ended.add(key)
        elif key in self._ended:
            self._client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
            self._ended.discard(key)
        self._epochs[key] = max(self._epochs[key], len(epochs))
        self._states[key] = state.value

    def describe(self, headline: str) -> None:
        """Shows on the parent run how far the sweep is."""
        if headline and headline != self._shown_headline:
            self._client.set_tag(self.parent, f"{TAG}progress", headline)
            self._shown_headline = headline

    def finish(self, files: Sequence[Path], winners: Sequence[Winner], status: str) -> None:
        """Adds files to the parent run and the winners' models to their runs, and ends the parent.

        Trials that are still running when their sweep ends are shown as killed, until they go on.
        """
        for key, model in winners:
            for file in model if key in self.ids else ():
                self._client.log_artifact(self.ids[key], str(file), "model")
        for file in files:
            self._client.log_artifact(self.parent, str(file))
        for key, state in self._states.items():
            if state == State.RUNNING.value and key not in self._ended:
                self._client.set_terminated(self.ids[key], RunStatus.to_string(RunStatus.KILLED))
                self._ended.add(key)
        self._client.set_terminated(self.parent, status)

    def _find_experiment(self, artifacts: Path | None) -> str:
        found = self._client.get_experiment_by_name(self._sweep.name)
        if found is not None:
            return str(found.experiment_id)
        location = None
        if artifacts is not None:
            artifacts.mkdir(parents=True, exist_ok=True)
            location = artifacts.resolve().as_uri()
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return str(self._client.create_experiment(self._sweep.name, location, kind))

    def _remember(self, run: Run) -> None:
        key = run.data.tags[KEY]
        self.ids[key] = run.info.run_id
        self._epochs[key] = int(run.data.metrics.get(_LAST_METRIC, 0))
        self._states[key] = run.data.tags.get(f"{TAG}state", "")
        if run.data.params:
            self._described.add(key)
        if f"{TAG}{CONFIGURATION}" in run.data.tags:
            self._named.add(key)
        if run.info.status in ("FINISHED", "FAILED", "KILLED"):
            self._ended.add(key)
        elif self._states[key] != State.RUNNING.value:
            self._states[key] = ""

    def _adopt(self, record: Record) -> None:
        """Gives the run that an earlier version made of a trial the identity that the trial has now."""
        former, key = record.former, record.key
        if former in self.ids and key not in self.ids:
            self.ids[key], self._epochs[key] = self.ids.pop(former), self._epochs.pop(former)
            self._states[key] = self._states.pop(former)
            for seen in (self._described, self._ended):
                if former in seen:
                    seen.remove(former)
                    seen.add(key)
        if key in self.ids and key not in self._named:
            tags = [RunTag(name, value) for name, value in _identity(record).items()]
            self._client.log_batch(self.ids[key], tags=tags)
            self._named.add(key)

    def _create_parent(self) -> str:
        tags = {
            f"{TAG}kind": "sweep",
            f"{TAG}sweep": self._sweep.name,
            "mlflow.note.content": self._sweep.summary,
        }
        run = self._client.create_run(self.experiment, tags=tags, run_name=self._sweep.name)
        return str(run.info.run_id)

    def _create(self, record: Record) -> None:
        trial = record.trial
        tags = {
            MLFLOW_PARENT_RUN_ID: self.parent,
            f"{TAG}kind": "trial",
            **_identity(record),
            f"{TAG}sweep": self._sweep.name,
            f"{TAG}stage": record.stage,
            f"{TAG}workload": trial.workload,
            f"{TAG}method": trial.method,
            f"{TAG}state": State.RUNNING.value,
            f"{TAG}trial": json.dumps(trial.to_dict(), sort_keys=True),
            MLFLOW_RUN_NAME: record.name,
            MLFLOW_SOURCE_NAME: "dropattack",
        }
        run = self._client.create_run(self.experiment, start_time=_start(record), tags=tags)
        self.created = True
        self.ids[record.key] = run.info.run_id
        self._epochs[record.key], self._states[record.key] = 0, ""
        self._named.add(record.key)


def _identity(record: Record) -> dict[str, str]:
    """Tags that say who a run's trial is; see `trainables.trial.Identity`."""
    configuration, control = record.identity.configuration, record.identity.control
    return {KEY: record.key, f"{TAG}{CONFIGURATION}": configuration, f"{TAG}{CONTROL}": control}


def _start(record: Record) -> int:
    """When a trial began, in milliseconds."""
    if not record.epochs:
        return int(time.time() * 1000)
    first = record.epochs[0]
    return int((first["recorded_at"] - first.get("seconds", 0.0)) * 1000)


def _params(trial: Trial) -> list[Param]:
    params = {"workload": trial.workload, "method": trial.method, "seed": trial.seed, "passes": trial.passes}
    params |= dict(trial.hyperparameters)
    params |= trial.options()
    return [Param(name, str(value)) for name, value in params.items()]


def _metrics(epochs: Sequence[Mapping[str, float]]) -> list[Metric]:
    """MLflow's form of some epochs' metrics."""
    metrics = [
        Metric(name, value, int(epoch["recorded_at"] * 1000), int(epoch["epoch"]))
        for epoch in epochs
        for name, value in epoch.items()
        if math.isfinite(value) and name != "recorded_at"
    ]
    # The epoch itself goes last: that it is there says that the rest is.
    return sorted(metrics, key=lambda metric: (metric.step, metric.key == _LAST_METRIC))


def _not_finite(epochs: Sequence[Mapping[str, float]]) -> list[str]:
    """What MLflow cannot hold of a trial's metrics, as ``name@epoch=value``."""
    return [
        f"{name}@{epoch['epoch']:.0f}={value}"
        for epoch in epochs
        for name, value in epoch.items()
        if not math.isfinite(value)
    ]
