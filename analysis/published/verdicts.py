"""The papers side by side with what was measured here."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.published.tables import PAPERS, load
from analysis.records import ABSOLUTE, BASELINE, CONFIGURATION, CONTROL, Metric, Records, rows, scale_of
from analysis.scoring import scored_families
from analysis.statistics import CONFIDENCE, Estimate, estimate
from dropattack.methods.dropattack_settings import P_ZERO
from trainables.recipe.examples import CLEAN

AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided at this n"
_BEST = "DropAttack-(I-H)"


def verdict(ours: Estimate, paper: float, alternative: float, runs: float = 1) -> str:
    """Whether a measured mean fits a published number.

    The published number is a mean of ``runs`` seeds too and is taken to spread as ours do, so that two
    means are compared. It *differs* where it lies outside the 95 % interval of their difference. It
    *agrees* where it lies inside and ``alternative`` lies outside. Where both lie inside, the data cannot
    tell them apart and it is *undecided*.

    Args:
        ours: Measured.
        paper: The published number, in the same unit.
        alternative: What it must be told from: the paper's baseline for an attack, its best result for a
            baseline, 0 for a gain; NaN where there is none.
        runs: Seeds behind the published number; 1 where that is not stated.
    """
    if ours.n < 2 or np.isnan(ours.low):
        return UNDECIDED
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, ours.n - 1)
    half = quantile * ours.sd * np.sqrt(1 / ours.n + 1 / max(runs, 1))
    if abs(ours.mean - paper) > half:
        return DIFFERS
    return UNDECIDED if abs(ours.mean - alternative) <= half else AGREES


def compare(records: Records) -> pd.DataFrame:
    """Every published number that these records say something about.

    A published row is matched by workload, metric, method and those hyperparameters that it states; where
    several recorded settings match, they are scored as `scored_families` does.

    Returns:
        ``paper, table, row, workload, configuration, metric, published, n, mean, low, high, sample`` (the
        trainings behind them), ``verdict`` and, for methods that the paper compares with a baseline,
        ``published_gain, gain, gain_low, gain_high, gain_verdict``; values in [0, 1].
    """
    numbers_of = {paper: _in_our_columns(load(paper)) for paper in PAPERS}
    records = _with_descents(records, {c for numbers in numbers_of.values() for c in numbers["metric"]})
    complete = records.complete(controls=True)
    found = []
    for paper, numbers in numbers_of.items():
        for row in rows(numbers[numbers["workload"].isin(set(complete["workload"]))]):
            metric = Metric(row["metric"])
            if metric.column not in complete or row["method"] != row["method"]:
                continue
            matching = complete[_matches(complete, row)]
            matching = matching[matching[metric.column].notna()]
            if len(matching):
                found.append(_compared(records, matching, numbers, {"paper": paper, **row}, metric))
    return pd.DataFrame(found)


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
    for column in sorted(columns):
        attacked = column.replace("_descent", "_accuracy")
        if column.endswith("_descent") and attacked in trials and "test_accuracy" in trials:
            added[column] = 1 - trials[attacked] / trials["test_accuracy"].where(trials["test_accuracy"] > 0)
    return replace(records, trials=trials.assign(**added)) if added else records


def _matches(trials: pd.DataFrame, row: Mapping[str, Any]) -> pd.Series:
    """Trials of the configuration that a published row states; no controls, but where it states a p of 0.

    Every paper's ε is absolute.
    """
    same: pd.Series = (trials["workload"] == row["workload"]) & (trials["method"] == row["method"])
    same &= trials[CONTROL] == (P_ZERO if row.get("p") == 0 else "")
    same &= scale_of(trials) == ABSOLUTE
    if row.get("training_examples") == row.get("training_examples"):
        examples = trials.get("training.examples", pd.Series(CLEAN, index=trials.index))
        same &= examples == row.get("training_examples", CLEAN)
    for name, value in row.items():
        column = {"train_size": "training.train_size"}.get(name, name)
        if name not in _STATED or value != value:
            continue
        if column not in trials:
            return same & False
        same &= trials[column] == value if isinstance(value, str) else np.isclose(trials[column], value)
    size = row.get("train_size")
    if (size is None or size != size) and "training.train_size" in trials:
        same &= trials["training.train_size"] == 0
    return same


_STATED = ("targets", "epsilon", "p", "k", "train_size")


def _compared(
    records: Records, trials: pd.DataFrame, numbers: pd.DataFrame, row: Mapping[str, Any], metric: Metric
) -> dict[str, Any]:
    scored = scored_families(records, trials, metric, ["method"])
    scored = scored[scored["setting"] == scored["setting"].iloc[0]]
    spent = float(scored["spent"].max())
    ours, gain = estimate(scored["score"], spent), estimate(scored["gain"], spent)
    published = row["value"] / 100
    baseline, best = _published(numbers, row, BASELINE), _published(numbers, row, "")
    stated = row.get("runs", np.nan)
    runs = 1 if np.isnan(stated) else stated
    found = {name: row[name] for name in ("paper", "table", "row", "workload", "metric")}
    found |= {"configuration": scored["configuration"].mode().iloc[0], "published": published}
    found |= {"n": ours.n, "mean": ours.mean, "low": ours.low, "high": ours.high}
    found["sample"] = " ".join(sorted(scored[CONFIGURATION] + ":" + scored["seed"].astype(str)))
    is_baseline = bool(scored["is_baseline"].all())
    found["verdict"] = verdict(ours, published, best if is_baseline else baseline, runs)
    if not is_baseline and not np.isnan(baseline) and gain.n:
        found |= {"published_gain": published - baseline, "gain": gain.mean}
        found |= {"gain_low": gain.low, "gain_high": gain.high}
        found["gain_verdict"] = verdict(gain, published - baseline, 0.0, runs)
    return found


def _published(numbers: pd.DataFrame, row: Mapping[str, Any], method: str) -> float:
    """The paper's own baseline beside a row, or its best result ("") where it prints one."""
    same = numbers[(numbers["workload"] == row["workload"]) & (numbers["metric"] == row["metric"])]
    if "training_examples" in same:
        same = same[same["training_examples"] == row["training_examples"]]
    if "train_size" in same:
        size = row["train_size"]
        same = same[same["train_size"] == size] if size == size else same[same["train_size"].isna()]
    same = same[same["method"] == method] if method else same[same["row"] == _BEST]
    return float(same["value"].iloc[0]) / 100 if len(same) else float("nan")
