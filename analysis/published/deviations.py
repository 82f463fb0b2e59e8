"""How a training differs from the one behind a published number, setting by setting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from analysis.published.tables import conditions
from analysis.published.verdicts import WITHHELD

EXAMPLES, TEST_SPLIT, TEST_EXAMPLES = "train_examples", "test_split", "test_examples"
DRAWN = "drawn"
_ANY = "*"


@dataclass(frozen=True)
class Deviation:
    """One setting that is not the paper's.

    Attributes:
        about: The setting in words.
        paper: The paper's value.
        here: The value in the training here.
        source: Where the paper states it.
        withholds: Whether it rules out a verdict.
    """

    about: str
    paper: str
    here: str
    source: str
    withholds: bool

    @property
    def text(self) -> str:
        """Both values, such as ``epochs 1 (paper: 10)``."""
        return f"{self.about} {self.here} (paper: {self.paper})"


def deviations(
    paper: str, row: Mapping[str, Any], trials: pd.DataFrame, sizes: pd.Series, incomplete: Sequence[str]
) -> list[tuple[Deviation, ...]]:
    """How each of these trials deviates from the conditions of a published number.

    A setting that a trial does not have, or that the paper does not state, deviates from nothing.

    Args:
        paper: One of `analysis.published.PAPERS`.
        row: The published number, of one workload and method; where it states a training size, that is not
            compared here.
        trials: Rows of `Records.trials` of that workload.
        sizes: How many examples each trained on; see `analysis.records.train_sizes`.
        incomplete: Lines on data that are not all that was published; see `analysis.records.Records`.
    """
    found: list[list[Deviation]] = [[] for _ in range(len(trials))]
    size = row.get("train_size")
    for known in _stated(paper, row):
        setting, wanted = known["setting"], known["value"]
        if setting == EXAMPLES:
            values = sizes.loc[trials.index] if size is None or size != size else None
        else:
            values = trials.get(setting)
        if values is None or not wanted:
            continue
        withholds = known["effect"] == WITHHELD
        for own, value in zip(found, values, strict=True):
            if value is not None and value == value and not _same(value, wanted):
                shown = (_shown(wanted), _shown(value))
                own.append(Deviation(known["about"], *shown, known["source"], withholds))
    lacking = [line for line in incomplete if line.startswith(f"{row['workload']} ")]
    parts = [Deviation("data", "all", line.partition(": ")[2] or line, "Table 1", True) for line in lacking]
    return [(*own, *parts) for own in found]


def of_the_test(paper: str, row: Mapping[str, Any], setting: str) -> str:
    """What is known of the test split behind a published number; "" if nothing is."""
    return next((known["value"] for known in _stated(paper, row) if known["setting"] == setting), "")


def unstated(paper: str, workloads: Sequence[str]) -> list[str]:
    """Settings, in words, that a paper does not state for some of these workloads."""
    known = conditions(paper)
    known = known[(known["value"] == "") & known["workload"].isin([_ANY, *workloads])]
    return list(dict.fromkeys(known["about"]))


def _stated(paper: str, row: Mapping[str, Any]) -> list[dict[str, str]]:
    return _conditions_of(paper, row["workload"], row["method"])


@cache
def _conditions_of(paper: str, workload: str, method: str) -> list[dict[str, str]]:
    known = conditions(paper)
    known = known[known["workload"].isin([_ANY, workload]) & known["method"].isin([_ANY, method])]
    return [{str(name): str(value) for name, value in own.items()} for own in known.to_dict("records")]


def _same(value: Any, wanted: str) -> bool:
    try:
        return bool(np.isclose(float(value), float(wanted), rtol=1e-6, atol=0))
    except ValueError:
        return str(value) == wanted


def _shown(value: Any) -> str:
    """A setting's value for people."""
    try:
        number = float(value)
    except ValueError:
        return str(value) or "none"
    return f"{number:,.0f}" if number.is_integer() else f"{number:.6g}"
