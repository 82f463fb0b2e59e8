"""With which settings was everything trained, and where?"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.document import Section, Table, text_column
from analysis.records import Records
from dropattack import UsageError
from trainables.recipe.settings import TrainingSettings

_SECTIONS = ("training", "data", "model")
_FEW = 6
_SEPARATOR = " · "


def section(records: Records) -> Section | None:
    """Every setting of training, data, model and methods that had an effect, also those that all share."""
    table = settings(records)
    if table.empty:
        return None
    caption = "Every setting that had an effect, defaults too; several values where it varied."
    columns = [
        text_column("settings of", "of"),
        text_column("workload", "workload"),
        text_column("values", "settings"),
    ]
    parts = [Table("settings", "Settings", caption, table, columns)]
    return Section("trained", "What was trained", [], parts, origin(records))


def origin(records: Records) -> list[str]:
    """Where the runs came from, in a line for the last one and a line for what was different before."""
    if not records.runs:
        return []
    *earlier, last = records.runs
    times = sum(int(run.get("times", 1)) for run in records.runs)
    when = f", last on {last['at'][:16].replace('T', ' ')} UTC" if last.get("at") else ""
    here = _place(last)
    lines = [f"Run {times} time{'s' * (times != 1)}{when}: {_SEPARATOR.join(here)}"]
    other = [part for part in dict.fromkeys(p for run in earlier for p in _place(run)) if part not in here]
    more = [f"and {len(other) - _FEW} more"] if len(other) > _FEW else []
    return [*lines, f"Earlier: {_SEPARATOR.join([*other[-_FEW:], *more])}"] if other else lines


def mixed_times(records: Records) -> str:
    """A sentence, with a space before it, where several kinds of machines took the times; else ""."""
    kinds = {str(run.get("gpus") or run.get("cpu") or "") for run in records.runs} - {""}
    several = f" Its times come from several machines ({'; '.join(sorted(kinds))}): compare passes instead."
    return several if len(kinds) > 1 else ""


def _place(run: Mapping[str, str]) -> list[str]:
    """Machine and code of a run: ``host n1``, ``AMD EPYC 7B13, 2 cores``, ``commit 3bc2a1d0f9e8, clean``."""
    host = f"host {run['host']}" if run.get("host") else ""
    cores = f"{run['cores']} cores" if run.get("cores") else ""
    commit = f"commit {run['commit'][:12]}" if run.get("commit") else ""
    parts = [[host], [run.get("cpu", ""), cores], [run.get("gpus", "")], [commit, run.get("tree", "")]]
    return [text for part in parts if (text := ", ".join(filter(None, part)))]


def settings(records: Records) -> pd.DataFrame:
    """What was trained, in few rows.

    Returns:
        ``of`` (training, data, model, or a method), ``workload`` (all of them in one row where they share
        everything) and ``settings`` as text.
    """
    trials = _without_idle(records.trials)
    names = [str(column) for column in trials]
    parts = [(of, trials, [c for c in names if c.startswith(f"{of}.")]) for of in _SECTIONS]
    parts += [(str(method), own, records.method_settings) for method, own in trials.groupby("method")]
    rows = []
    for of, tried, columns in parts:
        told = {str(workload): _told(own, columns) for workload, own in tried.groupby("workload")}
        if len(set(told.values())) == 1 and 1 < len(told) == trials["workload"].nunique():
            told = {"all": next(iter(told.values()))}
        rows += [(of, workload, text) for workload, text in told.items() if text]
    return pd.DataFrame(rows, columns=["of", "workload", "settings"])


def _without_idle(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials without values of training settings that mean nothing beside a trial's others."""
    usual = TrainingSettings().to_dict()
    columns = {name: f"training.{name}" for name in usual if f"training.{name}" in trials}
    shown = trials.copy()
    for _, group in trials.groupby(list(columns.values()), dropna=False) if columns else ():
        row = group.iloc[0]
        known = {name: row[column] for name, column in columns.items() if pd.notna(row[column])}
        try:
            idle = TrainingSettings.from_dict({n: _typed(v, usual[n]) for n, v in known.items()}).idle
        except UsageError:  # of a later version of this program
            continue
        shown.loc[group.index, [columns[name] for name in idle if name in columns]] = None
    return shown


def _typed(value: Any, usual: Any) -> Any:
    """A setting as it was declared: tables hold numbers as floats, and truth values as words."""
    if isinstance(usual, bool):
        return value == "True"
    return str(value) if isinstance(usual, str) else value


def _told(trials: pd.DataFrame, columns: list[str]) -> str:
    """``epochs 8 · learning_rate 0.003``; columns that hold nothing are left out."""
    values = {c.partition(".")[2] or c: trials[c].dropna().unique() for c in columns}
    return _SEPARATOR.join(
        f"{name}\N{NO-BREAK SPACE}{_values(list(v))}" for name, v in values.items() if len(v)
    )


def _values(found: list[object]) -> str:
    numbers = sorted(value for value in found if isinstance(value, float))
    names = sorted(str(value) or "none" for value in found if not isinstance(value, float))
    if len(found) > (_FEW if numbers else 2 * _FEW):
        return (
            f"{numbers[0]:.10g} to {numbers[-1]:.10g} in {len(found)}" if numbers else f"{len(found)} names"
        )
    return ", ".join([*(f"{value:.10g}" for value in numbers), *names])
