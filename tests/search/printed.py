"""Records of the papers' sweeps that hold what the papers print, made without training anything."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.records import Records
from search.definition.sweep import Sweep
from search.definition.sweepfile import load_sweep
from search.engine.proposers import Scope, grid_trials
from search.records.record import Record, State
from search.results.frames import records_for_analysis
from search.tracking.shown import ShownRuns
from trainables.recipe.settings import TrainingSettings
from trainables.trial import Trial

FULL = {"imdb-lstm": 40_000}
FREE_NAMES = {"freeat": "m"}
OTHER = 0.5
"""What is measured where the paper prints nothing."""


def trials_of(sweep: Sweep) -> list[tuple[str, Trial]]:
    """Every trial of a sweep with the stage that asks for it."""
    return [
        (stage.name, trial)
        for stage in sweep.stages
        for workload in sweep.stage_workloads(stage)
        for trial in grid_trials(Scope(sweep, stage, workload, lambda workload, options: workload))
    ]


def records_of(
    name: str,
    numbers: pd.DataFrame,
    *,
    noise: float = 0.0,
    rng_seed: int = 0,
    scale: str = "",
    changes: Mapping[str, Any] | None = None,
) -> Records:
    """A bundled sweep's records, each metric being the paper's number plus the noise of its seed.

    Args:
        name: Of the sweep.
        numbers: Rows of `published.load`.
        noise: Standard deviation over seeds, in [0, 1].
        rng_seed: Of the noise.
        scale: See `load_sweep`.
        changes: See `load_sweep`.
    """
    rng = np.random.default_rng(rng_seed)
    sweep = load_sweep(name, changes, scale=scale)
    rows = numbers.to_dict("records")
    records = []
    for number, (stage, trial) in enumerate(trials_of(sweep)):
        found = {"accuracy": OTHER} | {case.metric: OTHER for case in _cases(trial)}
        found["f1"] = OTHER
        for row in rows:
            if _states(row, trial):
                found |= _measured(row, found)
        test = {f"test_{metric}": value + rng.normal(0, noise) for metric, value in found.items()}
        epoch = {"epoch": 1, "valid_accuracy": found["accuracy"], "seconds": 1.0} | test
        records.append(Record(number, stage, trial, trial.identity, {}, {}, State.COMPLETE, [epoch]))
    return records_for_analysis(sweep, records, ShownRuns("", {}), {})


def _cases(trial: Trial) -> Any:
    return TrainingSettings.from_dict(trial.training).cases


def _states(row: Mapping[str, Any], trial: Trial) -> bool:
    """Whether a printed number is this trial's, by what it states."""
    values = trial.hyperparameters
    if row["workload"] != trial.workload or values.get("control", "none") != "none":
        return False
    if (
        _known(row, "train_size")
        and (trial.training["train_size"] or FULL[trial.workload]) != row["train_size"]
    ):
        return False
    if _known(row, "training_examples") and trial.training["examples"] != row["training_examples"]:
        return False
    if row.get("p") == 0:
        return trial.method == "standard"
    own = {"targets": "targets", "epsilon": "epsilon", "p": "p", "k": FREE_NAMES.get(trial.method, "k")}
    return trial.method == row["method"] and all(
        values.get(own[name]) == row[name] for name in own if _known(row, name)
    )


def _known(row: Mapping[str, Any], name: str) -> bool:
    return name in row and row[name] == row[name]


def _measured(row: Mapping[str, Any], found: Mapping[str, float]) -> dict[str, float]:
    """What a trial must have measured for a number; a descent is a share of the clean accuracy."""
    value = row["value"] / 100
    if row["metric"] == "test_f1":
        return {"f1": value}
    if row["metric"] == "test_accuracy":
        return {"accuracy": value}
    epsilon = row.get("pixel_epsilon", row["attack_epsilon"])
    attacked = f"{row['attack']}_{epsilon:g}_accuracy"
    return {attacked: value if row["metric"] == "robust_accuracy" else (1 - value) * found["accuracy"]}
