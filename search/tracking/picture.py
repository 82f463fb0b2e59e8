"""How a record looks in MLflow: the tags, params and metrics of its run."""

import json
import math
import time
from collections.abc import Mapping, Sequence

from mlflow.entities import Metric, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from analysis.records import CONFIGURATION, CONTROL
from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.tracking.tags import KEY, KIND, SWEEP, TAG, TRIAL
from trainables.trial import Trial

STATUS = {
    State.RUNNING: RunStatus.to_string(RunStatus.RUNNING),
    State.COMPLETE: RunStatus.to_string(RunStatus.FINISHED),
    State.PRUNED: RunStatus.to_string(RunStatus.KILLED),
    State.FAILED: RunStatus.to_string(RunStatus.FAILED),
}
"""MLflow's word for a trial's state."""
LAST_METRIC = "epoch"
"""The metric that is logged last of an epoch: that it is there says that the rest is."""
VALUE = "value"
"""The metric that a finished trial is selected by."""
_LONGEST_TAG = 5000


def trial_text(trial: Trial) -> str:
    """A trial as its run's tag has it."""
    return json.dumps(trial.to_dict(), sort_keys=True)


def standing_tags(record: Record, sweep: Sweep, parent: str) -> dict[str, str]:
    """Tags of a run that never change: what it is, and whose."""
    trial = record.trial
    return {
        MLFLOW_PARENT_RUN_ID: parent,
        KIND: "trial",
        KEY: record.key,
        f"{TAG}{CONFIGURATION}": record.identity.configuration,
        f"{TAG}{CONTROL}": record.identity.control,
        SWEEP: sweep.name,
        f"{TAG}stage": record.stage,
        f"{TAG}workload": trial.workload,
        f"{TAG}method": trial.method,
        TRIAL: trial_text(trial),
    }


def passing_tags(record: Record, state: State, epochs: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Tags of a run that change with its record; one that has nothing to say is empty."""
    odd = [
        f"{name}@{epoch['epoch']:.0f}={value}"
        for epoch in epochs
        for name, value in epoch.items()
        if not math.isfinite(value)
    ]
    return {
        f"{TAG}state": state.value,
        f"{TAG}reason": record.reason[:_LONGEST_TAG],
        f"{TAG}not-finite": " ".join(odd),
    }


def params_of(trial: Trial) -> dict[str, str]:
    """A run's params."""
    params = {"workload": trial.workload, "method": trial.method, "seed": trial.seed, "passes": trial.passes}
    params |= dict(trial.hyperparameters)
    params |= trial.options()
    return {name: str(value) for name, value in params.items()}


def metrics_of(epochs: Sequence[Mapping[str, float]]) -> list[Metric]:
    """MLflow's form of some epochs' metrics; it holds finite ones only."""
    metrics = [
        Metric(name, value, int(epoch["recorded_at"] * 1000), int(epoch["epoch"]))
        for epoch in epochs
        for name, value in epoch.items()
        if math.isfinite(value) and name != "recorded_at"
    ]
    return sorted(metrics, key=lambda metric: (metric.step, metric.key == LAST_METRIC))


def started_at(record: Record) -> int:
    """When a trial began, in milliseconds."""
    if not record.epochs:
        return int(time.time() * 1000)
    first = record.epochs[0]
    return int((first["recorded_at"] - first.get("seconds", 0.0)) * 1000)


def ended_at(epochs: Sequence[Mapping[str, float]]) -> int | None:
    """When a trial reported last, in milliseconds; nothing of one that never did."""
    return int(epochs[-1]["recorded_at"] * 1000) if epochs else None
