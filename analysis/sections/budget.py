"""What does it cost, in passes and in data?"""

from functools import partial

import pandas as pd

from analysis.budget import data_saved, quality_by_passes, training_size_curves
from analysis.document import (
    Column,
    Figure,
    Row,
    Section,
    Table,
    gain_column,
    number,
    number_column,
    score_column,
    text_column,
)
from analysis.figures.budget import gain_by_passes, size_curves
from analysis.records import Metric, Records
from analysis.statistics import estimate


def passes(records: Records) -> Section | None:
    """K against its cost."""
    metric = records.reported
    table = quality_by_passes(records, metric)
    if table.empty:
        return None
    parts: list[Figure | Table] = []
    for workload, group in table.groupby("workload", sort=True):
        best = group.groupby(["method", "targets"])["gain"].max().sort_values(ascending=False, kind="stable")
        shown = group.set_index(["method", "targets"]).loc[list(best.index[:5])].reset_index()
        if shown["gain"].isna().all():
            continue
        names = shown["method"] + " " + shown["targets"]
        parts.append(
            Figure(
                f"passes-{workload}",
                f"{workload}: what more passes buy",
                "Gain over the baseline against forward-backward passes per step, with 95 % paired t "
                "intervals.",
                "A gain that standard training with as many passes also shows is not the attack's.",
                f"Gain against passes per step for {names.nunique()} target sets.",
                partial(gain_by_passes, shown, names, metric),
            )
        )
    parts.append(
        Table(
            "passes",
            "K and its cost",
            "Gain per extra pass is the mean gain divided by the passes beyond the baseline's one.",
            table,
            [
                text_column("workload", "workload"),
                text_column("method", "method"),
                text_column("targets", "targets"),
                number_column("K", "k"),
                number_column("passes", "passes", 1),
                number_column("n", "n"),
                score_column(metric),
                gain_column(metric),
                number_column(
                    "gain per extra pass", "per_pass", 3 if metric.is_fraction else 5, metric.scale
                ),
                number_column("seconds per trial", "seconds", 1),
            ],
        )
    )
    return Section("passes", "K against cost", _finding(table, metric), parts)


def _finding(table: pd.DataFrame, metric: Metric) -> list[str]:
    known = table.dropna(subset="gain")
    if known.empty:
        return ["No baseline shares a seed with these trials, so gains per pass are unknown."]
    best = known.sort_values("gain", ascending=False, kind="stable").iloc[0]
    thrifty = known.sort_values("per_pass", ascending=False, kind="stable").iloc[0]
    return [
        f"The largest gain in {metric.name}, {number(best['gain'] * metric.scale, signed=True)}, comes with "
        f"K = {best['k']:.0f} at {best['passes']:.0f} passes per step ({best['targets']}, "
        f"{best['workload']}); "
        f"per extra pass K = {thrifty['k']:.0f} gains most "
        f"({number(thrifty['per_pass'] * metric.scale, 3, signed=True)}, {thrifty['targets']})."
    ]


def training_size(records: Records) -> Section | None:
    """Results by training-set size, and data saved at equal quality."""
    metric = records.reported
    curves = training_size_curves(records, metric)
    if curves.empty:
        return None
    saved = data_saved(curves, metric)
    parts: list[Figure | Table] = []
    for workload, group in curves.groupby("workload", sort=True):
        parts.append(
            Figure(
                f"sizes-{workload}",
                f"{workload}: by training-set size",
                "Mean over seeds with 95 % t intervals. Data saved is the distance to the left at one "
                "height.",
                "With fewer examples and as many epochs every method also takes fewer steps.",
                f"Curves of {metric.name} over {group['size'].nunique()} training-set sizes.",
                partial(size_curves, _summary(group), metric),
            )
        )
    if len(saved):
        parts.append(_saved_table(saved))
    return Section("sizes", "Training-set size", _saved_finding(saved), parts)


def _summary(curves: pd.DataFrame) -> pd.DataFrame:
    found = []
    for (method, size), group in curves.groupby(["method", "size"], sort=True):
        result = estimate(group["score"])
        found.append(
            {"method": method, "size": size, "mean": result.mean, "low": result.low, "high": result.high}
        )
    return pd.DataFrame(found)


def _saved_finding(saved: pd.DataFrame) -> list[str]:
    known = saved[saved["n"] > 0] if len(saved) else saved
    if known.empty:
        return ["No method reached a result that standard training reached too: data saved is unknown."]
    low, high = known["saved"].min(), known["saved"].max()
    half = int((known["saved"] >= 0.5).sum())
    return [
        f"At equal quality the methods save between {100 * low:.0f} % and {100 * high:.0f} % of the "
        "training data; "
        f"at least half, which the paper claims, at {half} of {len(known)} sizes."
    ]


def _saved_table(saved: pd.DataFrame) -> Table:
    def share(row: Row) -> str:
        ends = (
            ""
            if row["low"] != row["low"]
            else f" [{number(100 * row['low'], 0)}, {number(100 * row['high'], 0)}]"
        )
        return number(100 * row["saved"], 0) + ends

    return Table(
        "saved",
        "Training data saved at equal quality",
        "1 − n/n′, where standard training needs n′ examples for what the method reaches with n, read off "
        "each "
        "seed's curve over log n. Beyond: seeds better than standard training at any size, which no mean "
        "holds.",
        saved,
        [
            text_column("workload", "workload"),
            text_column("method", "method"),
            number_column("examples", "size"),
            number_column("n", "n"),
            Column("saved (%)", share, lambda row: row["saved"], numeric=True),
            number_column("beyond", "beyond"),
        ],
    )
