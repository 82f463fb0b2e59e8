"""A record in MLflow's form: the tags, params and metrics of its run."""

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence

from mlflow.entities import Dataset, DatasetInput, Metric, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from analysis.records import CONFIGURATION, CONTROL
from search.definition.select import Select
from search.definition.sweep import Sweep
from search.records.record import CIRCUMSTANCES, Record, State, measured
from search.tracking.tags import KEY, KIND, SWEEP, TAG, TRIAL
from trainables.trial import Trial

STATUS = {
    State.RUNNING: RunStatus.to_string(RunStatus.RUNNING),
    State.COMPLETE: RunStatus.to_string(RunStatus.FINISHED),
    State.PRUNED: RunStatus.to_string(RunStatus.KILLED),
    State.FAILED: RunStatus.to_string(RunStatus.FAILED),
}
"""MLflow's word for a trial's state."""
BEST = "best/"
"""What the metrics that matter begin with: MLflow sorts their charts first."""
CURVES = ("train_", "valid_")
"""The prefix of metrics with a value per epoch."""
_TESTED = "test_"
_BATCH = 1000
"""The most metrics in one request to MLflow."""
_LONGEST_TAG = 5000
_LONGEST_DIGEST = 36


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


_NUMBERS = tuple(f"{TAG}{name}" for name in ("epochs", "best_epoch", "seconds", "train_seconds"))
"""Numbers of a trial that has ended; ``train_seconds`` are those of its last epoch."""


def passing_tags(
    record: Record, state: State, epochs: Sequence[Mapping[str, float]], select: Select
) -> dict[str, str]:
    """Tags of a run that change with its record; one that has nothing to say is empty."""
    odd = [
        f"{name}@{epoch['epoch']:.0f}={value}"
        for epoch in epochs
        for name, value in epoch.items()
        if not math.isfinite(value)
    ]
    found = {
        f"{TAG}state": state.value,
        f"{TAG}reason": record.reason[:_LONGEST_TAG],
        f"{TAG}not-finite": " ".join(odd),
        **dict.fromkeys(_NUMBERS, ""),
    }
    if state is not State.RUNNING and epochs:
        best = max(epochs, key=lambda epoch: select.sign * epoch[select.column])
        seconds = sum(epoch.get("seconds", 0.0) for epoch in epochs)
        last = epochs[-1].get("train_seconds")
        numbers = (len(epochs), int(best["epoch"]), f"{seconds:.6g}", "" if last is None else f"{last:.6g}")
        found |= {name: str(number) for name, number in zip(_NUMBERS, numbers, strict=True)}
    return found


def params_of(trial: Trial) -> dict[str, str]:
    """A run's params."""
    params = {"workload": trial.workload, "method": trial.method, "seed": trial.seed, "passes": trial.passes}
    params |= dict(trial.hyperparameters)
    params |= trial.options()
    return {name: str(value) for name, value in params.items()}


def is_shown(name: str) -> bool:
    """Whether a metric of an epoch is one in MLflow; what says when, where and how fast has no chart."""
    return name.startswith((*CURVES, _TESTED)) and name not in CIRCUMSTANCES


def batches_of(epochs: Sequence[Mapping[str, float]]) -> list[list[Metric]]:
    """MLflow's form of some epochs' metrics, finite ones only, in as few batches as MLflow takes.

    A curve has a value per epoch, which is its step. A test figure is one value, at step 0. The curves of an
    epoch come last and in one batch, which MLflow writes whole or not at all: where the step of a curve is
    there, all of that epoch is.
    """
    batches: list[list[Metric]] = []
    for epoch in epochs:
        at = int(epoch["recorded_at"] * 1000)
        shown = [(n, v) for n, v in epoch.items() if is_shown(n) and math.isfinite(v)]
        tested = [Metric(name, value, at, 0) for name, value in shown if name.startswith(_TESTED)]
        curves = [Metric(n, v, at, int(epoch["epoch"])) for n, v in shown if not n.startswith(_TESTED)]
        for group in (*([metric] for metric in tested), *filter(None, [curves])):
            if not batches or len(batches[-1]) + len(group) > _BATCH:
                batches.append([])
            batches[-1] += group
    return batches


def best_of(select: Select, epochs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What a trial is judged by, as metrics: validation values of its best epoch, test values of its model.

    Values that are not finite are left out.
    """
    found = {f"valid_{name}": value for name, value in measured(select, epochs).items()}
    tested = [f"{_TESTED}{aim.metric}" for aim in select.aims]
    found |= {name: epoch[name] for epoch in epochs for name in tested if name in epoch}
    found = {f"{BEST}{name}": value for name, value in found.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def datasets_of(found: Iterable[tuple[str, str, str]]) -> list[DatasetInput]:
    """MLflow's form of datasets, each given by name, checksum and workload."""
    return [
        DatasetInput(
            Dataset(name, checksum[:_LONGEST_DIGEST], "dropattack", json.dumps({"workload": workload})), []
        )
        for name, checksum, workload in found
        if checksum
    ]


def started_at(record: Record) -> int:
    """When a trial began, in milliseconds."""
    if not record.epochs:
        return int(time.time() * 1000)
    first = record.epochs[0]
    return int((first["recorded_at"] - first.get("seconds", 0.0)) * 1000)


def ended_at(epochs: Sequence[Mapping[str, float]]) -> int | None:
    """When a trial reported last, in milliseconds; nothing of one that never did."""
    return int(epochs[-1]["recorded_at"] * 1000) if epochs else None
