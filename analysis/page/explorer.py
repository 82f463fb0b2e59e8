"""All trials as a table that people filter on a page, with each trial's learning curves."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from analysis.pairing import with_gain
from analysis.records import CONTROL, Metric, Records

_DIGITS = 5
"""Significant digits of numbers."""

_CURVE_DIGITS = 4
_CURVE_NUMBERS = 240_000
"""The most numbers of all curves together, about 1.5 MB; longer curves are thinned out."""

_FEWEST_POINTS = 12
"""The least points that a curve keeps."""

_STATIC = 25
"""Rows that a page without scripts shows."""


@dataclass(frozen=True)
class Field:
    """A column of the table.

    Attributes:
        name: Its name in a filter.
        label: Heading.
        values: One per row of `Records.trials`: numbers, None where there is none, or texts.
        digits: Decimals of its numbers; None for as many as they need, or for texts.
        numeric: Whether it holds numbers.
    """

    name: str
    label: str
    values: Sequence[Any]
    digits: int | None = None
    numeric: bool = False


class Explorer:
    """The trials of a sweep, as a page embeds them.

    Args:
        records: What was recorded.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self.fields = _fields(records)

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._records.trials)

    @property
    def left_out(self) -> int:
        """How many rows a page without scripts leaves out."""
        return max(self.total - _STATIC, 0)

    def first(self) -> list[list[str]]:
        """The cells of the first rows, for a page without scripts."""
        return [[_text(field, at) for field in self.fields] for at in range(min(self.total, _STATIC))]

    def json(self) -> Markup:
        """Everything, as JSON that can stand within an HTML element; columns, links and curves.

        Returns:
            ``fields`` (``name, label, numeric, digits``, and ``values`` or ``words`` with an index ``at``
            into them), ``links`` (addresses of MLflow runs or ""), ``metrics`` (labels of the curves),
            ``curves`` (of every training: epochs, then values by metric) and ``curve`` (which one is
            whose; -1 for none).
        """
        curves, whose = _curves(self._records)
        found = {
            "fields": [_compact(field) for field in self.fields],
            "links": self._links(),
            "metrics": [metric.label for metric in _drawn(self._records)],
            "curves": curves,
            "curve": whose,
        }
        text = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))

    def _links(self) -> list[str]:
        links = [self._records.link(str(run)) for run in self._records.trials["run_id"]]
        return links if any(link.startswith(("http://", "https://")) for link in links) else []


def _fields(records: Records) -> list[Field]:
    trials = records.trials
    several = trials["workload"].nunique() > 1
    own = [_text_field(records, name, name) for name in ("workload",) if several]
    own += [_text_field(records, name, name) for name in ("stage", "method")]
    own += [_setting(trials, name) for name in records.hyperparameters]
    own += [_setting(trials, name) for name in records.trained if trials[name].nunique(dropna=False) > 1]
    if (trials[CONTROL] != "").any():
        own.append(Field("control", "control", list(trials[CONTROL])))
    own.append(_number_field(trials["seed"], "seed", "seed", 0))
    own.append(_text_field(records, "state", "state"))
    own.append(_scored(trials, records.values(records.selected), records.selected, "valid"))
    own.append(_gains(records))
    if records.reported.column != records.selected.column:
        own.append(_scored(trials, records.values(records.reported), records.reported, "test"))
    own.append(_number_field(trials["epochs"], "epochs", "epochs", 0))
    own.append(_number_field(trials["passes"], "passes", "passes", 1))
    own.append(_number_field(trials["seconds"], "seconds", "seconds", 1))
    if (trials["reason"] != "").any():
        own.append(_text_field(records, "reason", "reason"))
    return own


def _text_field(records: Records, name: str, label: str) -> Field:
    return Field(name, label, [str(value) for value in records.trials[name]])


def _setting(trials: pd.DataFrame, name: str) -> Field:
    label = {"epsilon": "ε", "k": "K"}.get(name, name.rpartition(".")[2])
    short = name.rpartition(".")[2]
    if pd.api.types.is_numeric_dtype(trials[name]):
        return _number_field(trials[name], short, label)
    return Field(short, label, ["" if pd.isna(value) else str(value) for value in trials[name]])


def _scored(trials: pd.DataFrame, column: str, metric: Metric, name: str) -> Field:
    values = trials[column] if column in trials else pd.Series(np.nan, trials.index)
    return _number_field(values * metric.scale, name, metric.label, metric.decimals)


def _gains(records: Records) -> Field:
    """Each complete trial's gain on validation over the baseline of its seed."""
    metric = records.selected
    scored = with_gain(records, records.complete(controls=True), metric)
    gain = scored.set_index("row")["gain"] if len(scored) else pd.Series(dtype=float)
    values = gain[~gain.index.duplicated()].reindex(records.trials.index) * metric.scale
    return _number_field(values, "gain", "gain", metric.decimals)


def _number_field(values: pd.Series, name: str, label: str, digits: int | None = None) -> Field:
    return Field(name, label, [_rounded(value, _DIGITS + 2) for value in values], digits, numeric=True)


def _rounded(value: float, digits: int) -> float | int | None:
    """A number with few digits, so that a page stays small; None where it is missing or infinite."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def _text(field: Field, at: int) -> str:
    value = field.values[at]
    if value is None:
        return ""
    if not field.numeric:
        return str(value)
    return f"{value:.4g}" if field.digits is None else f"{value:.{field.digits}f}"


def _compact(field: Field) -> dict[str, Any]:
    head = {"name": field.name, "label": field.label, "numeric": field.numeric, "digits": field.digits}
    if field.numeric:
        return head | {"values": list(field.values)}
    words = list(dict.fromkeys(field.values))
    place = {word: at for at, word in enumerate(words)}
    return head | {"words": words, "at": [place[word] for word in field.values]}


def _drawn(records: Records) -> list[Metric]:
    """The metrics of the curves: the selected metric on training and on validation."""
    columns = (records.curve.replace("valid_", "train_", 1), records.curve)
    return [Metric(c, records.mode == "max") for c in dict.fromkeys(columns) if c in records.epochs]


def _curves(records: Records) -> tuple[list[list[Any]], list[int]]:
    """The curves of every training, thinned out if all would take too much room, and each trial's curve."""
    metrics = _drawn(records)
    if not metrics or records.epochs.empty:
        return [], [-1] * len(records.trials)
    grouped = records.epochs.groupby("key", sort=True)
    room = _CURVE_NUMBERS // (len(grouped) * (len(metrics) + 1))
    curves: list[list[Any]] = []
    place: dict[str, int] = {}
    for key, own in grouped:
        kept = own.iloc[_thinned(len(own), max(room, _FEWEST_POINTS))]
        place[str(key)] = len(curves)
        values = [
            [_rounded(value * metric.scale, _CURVE_DIGITS) for value in kept[metric.column]]
            for metric in metrics
        ]
        curves.append([[int(epoch) for epoch in kept["epoch"]], *values])
    return curves, [place.get(key, -1) for key in records.trials["key"]]


def _thinned(count: int, room: int) -> list[int]:
    """At most ``room`` of ``count`` places, evenly, with the first and the last."""
    if count <= room:
        return list(range(count))
    return [int(at) for at in np.unique(np.linspace(0, count - 1, room).round())]
