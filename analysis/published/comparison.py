"""The papers' numbers side by side with what was measured here."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.published.deviations import (
    DRAWN,
    TEST_EXAMPLES,
    TEST_SPLIT,
    Deviation,
    deviations,
    of_the_test,
)
from analysis.published.tables import PAPERS, load
from analysis.published.verdicts import WITHHELD, half_width, variance_of_accuracy, variance_of_f1, verdict
from analysis.records import (
    ABSOLUTE,
    BASELINE,
    CONFIGURATION,
    CONTROL,
    Metric,
    Records,
    rows,
    scale_of,
    train_sizes,
)
from analysis.scoring import scored_families
from analysis.statistics import estimate
from dropattack.robustness import Case
from trainables.recipe.examples import CLEAN

_BEST = "DropAttack-(I-H)"
_STATED = ("targets", "epsilon", "p", "k")
_OWN_NAMES = {"freeat": {"k": "m"}}
"""A method's own name of a hyperparameter that the papers name alike for all methods."""
_INSTEAD = {"dropen-pgd": "pgd"}
"""The ordinary method that replaces a paper's own form of it, if that was not trained."""
_DESCENT, _ACCURACY = "_descent", "_accuracy"
_COMPARABLE = ("workload", "metric", "training_examples", "train_size")
"""The columns that a number shares with the baseline and the best result with which it is compared."""


def compare(records: Records) -> pd.DataFrame:
    """Every published number with which these records can be compared.

    A published row is matched by workload, metric, method and those hyperparameters that it states; a full
    split counts as its size. Of the matching trials, those count that deviate least from the paper's
    settings; if several of their settings match, they are scored as `scored_families` does.

    Returns:
        ``paper, table, row, workload, metric``, the hyperparameters that the row states and those of its
        attack, ``configuration``, ``size`` (training examples here), ``published, n, mean, half``
        (`analysis.published.verdicts.half_width`), ``low, high, sample`` (the trainings behind them),
        ``verdict``, ``deviations`` (a tuple of `Deviation`) and, for methods that the paper compares with a
        baseline, ``published_gain, gain, gain_half, gain_n, gain_verdict``; values in [0, 1].
    """
    measured, found = matched(records)
    scored, sizes = scores(measured, found), train_sizes(measured)
    return pd.DataFrame([judged(cell, scored[i], sizes) for i, cell in enumerate(found)])


@dataclass(frozen=True)
class Cell:
    """A published number and the trials with which it is compared.

    Attributes:
        row: The number, as `load` has it, with its paper.
        column: The records' column of its metric.
        trials: Rows of `Records.trials`.
        differing: How their settings deviate from the paper's.
        beside: The paper's baseline and its best result, NaN if it prints none.
    """

    row: Mapping[str, Any]
    column: str
    trials: pd.DataFrame
    differing: tuple[Deviation, ...]
    beside: tuple[float, ...]


def matched(records: Records) -> tuple[Records, list[Cell]]:
    """Every published number with which these records can be compared, with their trials.

    Returns:
        The records, with accuracy descents among their columns, and the numbers.
    """
    numbers_of = {paper: _in_our_columns(load(paper)) for paper in PAPERS}
    records = _with_descents(records, {c for numbers in numbers_of.values() for c in numbers["metric"]})
    complete = records.complete(controls=True)
    sizes, plain = train_sizes(records), records.plain(complete)
    of_workload = {str(name): own for name, own in complete.groupby("workload")}
    found = []
    for paper, numbers in numbers_of.items():
        beside: dict[tuple[str, ...], tuple[float, ...]] = {}
        for row in rows(numbers[numbers["workload"].isin(of_workload)]):
            if row["method"] != row["method"]:
                continue
            own = of_workload[row["workload"]]
            matching = own[_matches(own, row, sizes, plain)]
            column = _column(matching, row["metric"])
            matching = matching[matching[column].notna()] if column else matching.head(0)
            if matching.empty:
                continue
            nearest, differing = _nearest(records, paper, row, matching, sizes, column)
            place = tuple(str(row.get(name)) for name in _COMPARABLE)
            if place not in beside:
                beside[place] = tuple(_published(numbers, row, method) for method in (BASELINE, ""))
            found.append(Cell({"paper": paper, **row}, column, nearest, differing, beside[place]))
    return records, found


def scores(records: Records, cells: Sequence[Cell]) -> dict[int, pd.DataFrame]:
    """The scores of every cell's trials, by the cell's place; computed together for all of one metric."""
    found = {}
    for column in dict.fromkeys(cell.column for cell in cells):
        own = [cell.trials.assign(cell=i) for i, cell in enumerate(cells) if cell.column == column]
        scored = scored_families(records, pd.concat(own, ignore_index=True), Metric(column), ["cell"])
        for i in scored["cell"].unique():
            part = scored[scored["cell"] == i]
            found[int(i)] = part[part["setting"] == part["setting"].iloc[0]]
    return found


def _in_our_columns(numbers: pd.DataFrame) -> pd.DataFrame:
    """Names what was measured under attack as the records do: ``test_fgsm_0.3_accuracy``.

    ε is in pixel units, which ``pixel_epsilon`` holds where a paper measures in others.
    """
    if "attack" not in numbers:
        return numbers
    epsilon = numbers.get("pixel_epsilon", numbers["attack_epsilon"])
    kind = numbers["metric"].map({"robust_accuracy": "accuracy", "accuracy_descent": "descent"})
    metric = [
        f"test_{attack}_{size:g}_{name}" if name == name else plain
        for attack, size, name, plain in zip(numbers["attack"], epsilon, kind, numbers["metric"], strict=True)
    ]
    return numbers.assign(metric=metric)


def _with_descents(records: Records, columns: Iterable[str]) -> Records:
    """Adds accuracy descents, read as shares of the clean accuracy, from accuracies that were recorded."""
    trials, added = records.trials, {}
    wanted = [c.replace(_DESCENT, _ACCURACY) for c in columns if c.endswith(_DESCENT)]
    for attacked in [c for c in trials.columns if any(_whole(c) == column for column in wanted)]:
        if "test_accuracy" in trials:
            clean = trials["test_accuracy"].where(trials["test_accuracy"] > 0)
            added[attacked.removesuffix(_ACCURACY) + _DESCENT] = 1 - trials[attacked] / clean
    return replace(records, trials=trials.assign(**added)) if added else records


def _whole(column: str) -> str:
    """A metric's name without how many examples were attacked."""
    return re.sub(r"-of-\d+_", "_", column)


def _column(trials: pd.DataFrame, metric: str) -> str:
    """The column of a metric: over all test examples or else over the most; "" if there is none."""

    def examples(column: str) -> float:
        case = Case.of_metric(column.replace(_DESCENT, _ACCURACY))
        return case.examples or math.inf if case is not None else math.inf

    if metric in trials and trials[metric].notna().any():
        return metric
    there = [c for c in trials.columns if _whole(c) == metric and trials[c].notna().any()]
    return max(there, key=examples) if there else ""


def _matches(
    trials: pd.DataFrame, row: Mapping[str, Any], sizes: pd.Series, plain: pd.Series
) -> "pd.Series[bool]":
    """Which of a workload's trials are of the configuration that a published row states.

    Controls are not, unless it states a p of 0.

    A p of 0 is standard training, under whatever name. Every paper's ε is absolute.
    """
    same: pd.Series[bool] = pd.Series(True, index=trials.index)
    if row.get("training_examples") == row.get("training_examples"):
        examples = trials.get("training.examples", pd.Series(CLEAN, index=trials.index))
        same &= examples == row.get("training_examples", CLEAN)
    size = row.get("train_size")
    if size is not None and size == size:
        same &= sizes.loc[trials.index] == size
    if row.get("p") == 0:
        return same & plain.loc[trials.index]
    method = row["method"]
    instead = _INSTEAD.get(method, method)
    own = method if (same & (trials["method"] == method)).any() else instead
    same &= (trials["method"] == own) & (trials[CONTROL] == "") & (scale_of(trials) == ABSOLUTE)
    for name in _STATED:
        value = row.get(name)
        if value is None or value != value:
            continue
        column = _OWN_NAMES.get(method, {}).get(name, name)
        if column not in trials:
            return same & False
        same &= trials[column] == value if isinstance(value, str) else np.isclose(trials[column], value)
    return same


def _nearest(
    records: Records, paper: str, row: Mapping[str, Any], trials: pd.DataFrame, sizes: pd.Series, column: str
) -> tuple[pd.DataFrame, tuple[Deviation, ...]]:
    """The trials that deviate least from the paper's settings, and how they do."""
    found = deviations(paper, row, trials, sizes, records.incomplete)
    known = np.nan_to_num(sizes.loc[trials.index])
    ranks = [(sum(d.withholds for d in own), len(own), -n) for own, n in zip(found, known, strict=True)]
    least = min(ranks)
    kept = [rank == least for rank in ranks]
    own = found[kept.index(True)]
    case = Case.of_metric(column.replace(_DESCENT, _ACCURACY))
    if case is not None and case.examples:
        own = (*own, Deviation("images attacked", "all", f"{case.examples:,}", str(row["table"]), True))
    return trials[kept], own


def judged(cell: Cell, scored: pd.DataFrame, sizes: pd.Series) -> dict[str, Any]:
    """The row of `compare` for one number.

    Args:
        cell: The number.
        scored: Its part of `scores`.
        sizes: How many examples each trial trained on.
    """
    row, column = cell.row, cell.column
    spent = float(scored["spent"].max())
    ours, gain = estimate(scored["score"], spent), estimate(scored["gain"], spent)
    published = row["value"] / 100
    baseline, best = cell.beside
    stated = row.get("runs", np.nan)
    runs = 1 if np.isnan(stated) else stated
    error = _test_error(row, scored, column, "score")
    half = half_width(ours, runs, spent, test_error=error)
    withheld = any(d.withholds for d in cell.differing)
    found = {name: row[name] for name in ("paper", "table", "row", "workload", "metric")}
    found |= {name: row.get(name) for name in _PRINTED_WITH}
    found |= {"configuration": scored["configuration"].mode().iloc[0], "published": published}
    found |= {"size": float(sizes.loc[cell.trials.index].median()), "n": ours.n, "mean": ours.mean}
    found |= {"half": half, "low": ours.mean - half, "high": ours.mean + half, "deviations": cell.differing}
    found["sample"] = " ".join(sorted(scored[CONFIGURATION] + ":" + scored["seed"].astype(str)))
    is_baseline = bool(scored["is_baseline"].all())
    fits = verdict(ours.mean, half, published, best if is_baseline else baseline)
    found["verdict"] = WITHHELD if withheld else fits
    if not is_baseline and not np.isnan(baseline) and gain.n:
        theirs = math.hypot(ours.sd, float(scored["baseline"].std(ddof=1)))
        error += _test_error(row, scored, column, "baseline")
        half = half_width(gain, runs, spent, theirs, error)
        fits = verdict(gain.mean, half, published - baseline, 0.0)
        found |= {"published_gain": published - baseline, "gain": gain.mean, "gain_half": half}
        found |= {"gain_n": gain.n, "gain_verdict": WITHHELD if withheld else fits}
    return found


_PRINTED_WITH = (
    *("epsilon", "p", "k", "train_size"),
    *("training_examples", "attack", "attack_epsilon", "pixel_epsilon"),
)
"""The statements of a row that tell where a number is printed."""


def _test_error(row: Mapping[str, Any], scored: pd.DataFrame, column: str, of: str) -> float:
    """Variance that two draws of the test examples give the difference between us and the paper.

    None where both tested with the same published split. Errors of two models on one split are taken as
    independent, which bounds the variance of a gain.
    """
    redrawn = "training.split" in scored and (scored["training.split"].fillna("fixed") != "fixed").any()
    if of_the_test(row["paper"], row, TEST_SPLIT) != DRAWN and not redrawn:
        return 0.0
    counted = scored.get("test_examples", pd.Series(np.nan, index=scored.index)).median()
    stated = of_the_test(row["paper"], row, TEST_EXAMPLES)
    ours = counted if counted == counted else float(stated or math.inf)
    theirs = float(stated) if stated else ours
    score, accuracy = float(scored[of].mean()), float(scored.get("test_accuracy", scored[of]).mean())
    if score != score:
        return 0.0

    def variance(examples: float) -> float:
        if column.endswith("_f1"):
            return variance_of_f1(score, accuracy, examples)
        return variance_of_accuracy(score, examples)

    return variance(ours) + variance(theirs)


def _published(numbers: pd.DataFrame, row: Mapping[str, Any], method: str) -> float:
    """The paper's own baseline beside a row, or its best result ("") where it prints one."""
    same = numbers[(numbers["workload"] == row["workload"]) & (numbers["metric"] == row["metric"])]
    if "training_examples" in same:
        same = same[same["training_examples"] == row["training_examples"]]
    if "train_size" in same:
        size = row["train_size"]
        same = same[same["train_size"] == size] if size == size else same[same["train_size"].isna()]
    if method:
        same = same[same["method"] == method]
    else:
        best = same["row"] == _BEST
        same = same[best if best.any() else same["method"].isin(PAPERS)]  # a paper's method has its name
    return float(same["value"].iloc[0]) / 100 if len(same) else float("nan")
