"""Trials for other tools: one row a trial, each column of one type."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.records import Records
from analysis.records.tables import NUMBERS, TEXT
from dropattack import Settings, UsageError, method_named
from dropattack.imported import given_only
from trainables.disk import write_atomically
from trainables.recipe.settings import TrainingSettings
from trainables.workloads import workload_named

_WHOLE = ("seed", "epochs", "best_epoch")


def trials_table(records: Records) -> pd.DataFrame:
    """All trials, one row each, in the order of their keys.

    Returns:
        The columns of `Records.trials`, each of one type: text, whole numbers, floats or truth values, as its
        setting is declared; what a trial has not is missing. Shares such as accuracies are in [0, 1]. Rows of
        one ``key`` are one training.
    """
    trials = records.trials
    declared = _declared(trials)
    columns: dict[str, pd.Series] = {}
    for name in map(str, trials.columns):
        if name in TEXT:
            text = trials[name].astype("string")
            columns[name] = text.mask(text == "")
        elif name in NUMBERS:
            columns[name] = trials[name].astype("Int64" if name in _WHOLE else "float64")
        else:
            columns[name] = _typed(trials[name], declared.get(name))
    return pd.DataFrame(columns, index=trials.index)


def write_trials(records: Records, directory: Path, name: str) -> None:
    """Writes `trials_table` as ``trials.csv`` or ``trials.parquet``.

    Args:
        records: What a sweep recorded.
        directory: Where to.
        name: ``csv`` or ``parquet``.
    """
    table = trials_table(records)
    if name == "csv":
        content = table.to_csv(index=False, lineterminator="\n").encode()
    else:
        content = table.to_parquet(index=False)
    write_atomically(directory / f"trials.{name}", content)


def _typed(column: pd.Series, kind: type | None) -> pd.Series:
    """A column in its declared type, or, where it has none or they do not fit, in that of its values."""
    if pd.api.types.is_numeric_dtype(column):
        if kind is str:
            return column.map(lambda value: f"{value:g}", na_action="ignore").astype("string")
        whole = bool((column.dropna() % 1 == 0).all())
        return column.astype("Int64" if kind is int and whole else "float64")
    words = set(column.dropna())
    if kind is not str and words and words <= {"True", "False"}:
        return column.map({"True": True, "False": False}).astype("boolean")
    return column.astype("string")


def _declared(trials: pd.DataFrame) -> dict[str, type | None]:
    """The type of every setting by its column; none where methods or workloads declare it differently."""
    found: dict[str, type | None] = {}
    for prefix, settings in _settings(trials):
        for name, value in settings.to_dict().items():
            column = f"{prefix}{name}"
            same = found.get(column, type(value)) is type(value)
            found[column] = type(value) if same else None
    return found


def _settings(trials: pd.DataFrame) -> Iterator[tuple[str, Settings]]:
    """Settings with defaults of methods and workloads that are known, and how their columns begin.

    No code is imported that nobody gave.
    """
    yield "training.", TrainingSettings()
    for method in sorted(set(trials["method"])):
        try:
            with given_only():
                own = method_named(method).settings_type()
            yield "", own
        except UsageError:
            continue
    for name in sorted(set(trials["workload"])):
        try:
            with given_only():
                workload: Any = workload_named(name)
        except UsageError:
            continue
        yield "data.", workload.data_settings()
        yield "model.", workload.model_settings()
