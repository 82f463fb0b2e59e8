"""Trials for other tools and for independent checks: one row a trial, each column of one type."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow.lib import ArrowException

from analysis.records import COMPLETE, Records
from analysis.records.tidying import NUMBERS, TEXT
from dropattack import Settings, UsageError, method_named
from dropattack.errors import first_line
from dropattack.imported import given_only
from trainables.disk import write_atomically
from trainables.recipe.settings import TrainingSettings
from trainables.workloads import workload_named

_WHOLE = ("seed", "epochs", "best_epoch")


def trials_table(records: Records) -> pd.DataFrame:
    """All trials, one row each, in the order of their keys.

    Returns:
        The columns of `Records.trials`, each of one type: text, whole numbers, floats or truth values, as its
        setting is declared; a value that a trial lacks is missing. Shares such as accuracies are in [0, 1].
        Rows of one ``key`` are one training.
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

    The parquet file holds all that a report needs except learning curves: `from_parquet` reads it back. Its
    column ``recognised`` says of confirmed trials which test examples their models recognise, eight to a
    byte.

    Args:
        records: What a sweep recorded.
        directory: Folder to write into.
        name: ``csv`` or ``parquet``.
    """
    table = trials_table(records)
    if name == "csv":
        content = table.to_csv(index=False, lineterminator="\n").encode()
    else:
        table = table.assign(**_recognised(records))
        table.attrs = {name: getattr(records, name) for name in _BESIDE}
        content = table.to_parquet(index=False)
    write_atomically(directory / f"trials.{name}", content)


def from_parquet(path: str | Path) -> Records:
    """Reads back what ``dropattack report SWEEP --format parquet`` wrote, so that others recompute a report.

    Args:
        path: The file ``trials.parquet``.

    Returns:
        The records, without learning curves.

    Raises:
        UsageError: There is no such file, or it is another kind of file.

    Examples:
        >>> verdicts(from_parquet("docs/evidence/mnist.parquet"))  # doctest: +SKIP
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, ArrowException) as error:
        raise UsageError(f"cannot read {path}: {first_line(error)}") from error
    beside = table.attrs
    if not beside.keys() >= set(_BESIDE) or "key" not in table or not isinstance(beside["sweep"], dict):
        raise UsageError(f"{path} holds no sweep; write it with `dropattack report SWEEP --format parquet`")
    packed = {"key": "", "recognised": None, "recognised_of": 0}
    known = table.reindex(columns=list(packed)).dropna()
    right = {
        str(key): np.unpackbits(np.frombuffer(bits, np.uint8), count=int(count)).astype(bool)
        for key, bits, count in known.itertuples(index=False)
    }
    trials = table.drop(columns=["recognised", "recognised_of"], errors="ignore")
    return Records(trials, recognised=right.get, **{name: beside[name] for name in _BESIDE})


_BESIDE = ("sweep", "select", "mode", "versions", "incomplete")
"""The parts of `Records` beside the table of trials."""


def _recognised(records: Records) -> dict[str, pd.Series]:
    """Which test examples confirmed trials recognise, and of how many; no columns if no trial records it."""
    trials = records.trials
    confirmed = trials["stage"].isin(records.confirmations) & (trials["state"] == COMPLETE)
    found = {row: records.recognised(str(key)) for row, key in trials["key"][confirmed].items()}
    known = {row: right for row, right in found.items() if right is not None}
    if not known:
        return {}
    bits = pd.Series({row: np.packbits(right).tobytes() for row, right in known.items()}, dtype=object)
    counts = pd.Series({row: len(right) for row, right in known.items()}, dtype="Int64")
    return {"recognised": bits.reindex(trials.index), "recognised_of": counts.reindex(trials.index)}


def _typed(column: pd.Series, kind: type | None) -> pd.Series:
    """A column in its declared type or, if there is none or values do not fit, in the type of its values."""
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
    """The type of every setting by its column; none if methods or workloads declare it differently."""
    found: dict[str, type | None] = {}
    for prefix, settings in _settings(trials):
        for name, value in settings.to_dict().items():
            column = f"{prefix}{name}"
            same = found.get(column, type(value)) is type(value)
            found[column] = type(value) if same else None
    return found


def _settings(trials: pd.DataFrame) -> Iterator[tuple[str, Settings]]:
    """Settings with defaults of known methods and workloads, and the prefixes of their columns.

    It imports only code that a person gave.
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
