"""What does it cost, in passes and in data?"""

from collections.abc import Mapping
from functools import partial

import pandas as pd

from analysis.document import (
    Column,
    Figure,
    Row,
    Section,
    Table,
    gain_column,
    number_column,
    overlapping,
    score_column,
    text_column,
)
from analysis.figures.budget import gain_by_passes, size_curves
from analysis.notation import number, with_interval
from analysis.questions.budget import data_saved, quality_by_passes, training_size_curves
from analysis.records import BASELINE, RELATIVE, Metric, Records, rows
from analysis.scoring import FLATTERED, FRESH, HELD_OUT, TIERS
from analysis.sections.trained import mixed_times
from analysis.statistics import estimate

_LINES = 5
_SCORED = {TIERS[FRESH]: FRESH, TIERS[HELD_OUT]: "searched seeds", FLATTERED: "the seeds that chose it"}
"""How the rows of a tier are scored, for people."""
_PER_PASS = "Gain per extra pass is the mean gain divided by the passes beyond the baseline's one."


def passes(records: Records) -> Section | None:
    """K against its cost."""
    metric = records.reported
    table = quality_by_passes(records, metric)
    if table.empty:
        return None
    parts: list[Figure | Table] = []
    for workload, group in table.groupby("workload", sort=True):
        known = group[group["gain"].notna()]
        if known.empty:
            continue
        known = known.assign(name=_lines(known))
        lines = known.groupby(["tier", "name"])["gain"].max().reset_index()
        lines = lines.sort_values(["tier", "gain"], ascending=[True, False], kind="stable")
        best = list(lines["name"].head(_LINES))
        shown = known[known["name"].isin(best)]
        shown = shown.sort_values("name", key=lambda name: name.map(best.index), kind="stable")
        names = shown["name"]
        left_out = f" The first {_LINES} of {len(lines)} lines are drawn." if len(lines) > _LINES else ""
        parts.append(
            Figure(
                f"passes-{workload}",
                f"{workload}: gain by passes per step",
                "Gain over the baseline against forward-backward passes per step, with 95 % paired t "
                f"intervals. A line joins what is scored alike under one recipe.{left_out}",
                "A gain that standard training also shows with as many passes does not come from the attack.",
                f"Gain against passes per step, {names.nunique()} lines.",
                partial(gain_by_passes, shown, names, metric),
            )
        )
    parts.append(
        Table(
            "passes",
            "K and its cost",
            f"{_PER_PASS if table['per_pass'].notna().any() else ''}{mixed_times(records)}".strip(),
            table,
            [
                text_column("workload", "workload"),
                text_column("method", "method"),
                text_column("targets", "targets"),
                *_varied(table, {"recipe": "training", "ε is": "scale"}),
                number_column("K", "k"),
                number_column("passes", "passes", 1),
                number_column("n", "n"),
                score_column(metric),
                gain_column(metric),
                Column(
                    "gain per extra pass",
                    lambda row: _per_pass(row, metric),
                    lambda row: row["per_pass"],
                    numeric=True,
                ),
                number_column("seconds per trial", "seconds", 1),
                text_column("scored on", "scored_on"),
            ],
        )
    )
    return Section("passes", "K against cost", _finding(table, metric), parts)


def _lines(table: pd.DataFrame) -> pd.Series:
    """What each row is joined with, by name: the same attack and recipe, scored in one way."""
    parts = [table["method"] + " " + table["targets"], table["training"]]
    parts.append(table["scale"].map({RELATIVE: "relative ε"}).fillna(""))
    if table["tier"].nunique() > 1:
        parts.append(table["tier"].map(_SCORED))
    return pd.Series(
        [" · ".join(filter(None, row)) for row in zip(*parts, strict=True)], index=table.index, dtype=object
    )


def _varied(table: pd.DataFrame, columns: Mapping[str, str]) -> list[Column]:
    """Columns by label of which there are several values."""
    return [text_column(label, key) for label, key in columns.items() if table[key].nunique() > 1]


def _finding(table: pd.DataFrame, metric: Metric) -> list[str]:
    known = table.dropna(subset="gain")
    if known.empty:
        return ["No baseline shares a seed with these trials, so gains per pass are unknown."]
    count = len(known)
    known = known[known["tier"] == known["tier"].min()]
    if known["k"].nunique() < 2 and count > len(known):
        return ["Only one K was confirmed; the others are scored less reliably, so K is not compared here."]
    by_gain = known.sort_values("gain", ascending=False, kind="stable")
    best = by_gain.iloc[0]
    gain = with_interval(best["gain"], best["gain_low"], best["gain_high"], metric, signed=True)
    where = (
        f"K = {best['k']:.0f} at {best['passes']:.3g} passes per step ({best['targets']}, {best['workload']})"
    )
    if best["gain"] > 0:
        told = f"The largest gain in {metric.name}, {gain}, comes with {where}"
    else:
        told = f"No K gains in {metric.name}; the smallest loss, {gain}, comes with {where}"
    told += _apart(by_gain, "gain_low", "gain_high")
    thrifty = known.dropna(subset="per_pass").sort_values("per_pass", ascending=False, kind="stable")
    if len(thrifty):
        first = thrifty.iloc[0]
        most = "gains most" if first["per_pass"] > 0 else "loses least"
        told += (
            f"; per extra pass K = {first['k']:.0f} {most} ({_per_pass(first, metric)}, "
            f"{first['targets']}){_apart(thrifty, 'per_pass_low', 'per_pass_high')}"
        )
    if best["tier"] == FLATTERED:
        told += "; all of these are flattered, because the runs that chose them also score them"
    return [f"{told}."]


def _apart(table: pd.DataFrame, low: str, high: str) -> str:
    """Says so where the first row does not stand out from the others."""
    return ", but does not stand out: intervals overlap" if overlapping(table, low, high) else ""


def _per_pass(row: Row, metric: Metric) -> str:
    digits = metric.decimals + 1
    center, *ends = (
        number(row[name] * metric.scale, digits, signed=True)
        for name in ("per_pass", "per_pass_low", "per_pass_high")
    )
    return center if row["per_pass_low"] != row["per_pass_low"] else f"{center} [{', '.join(ends)}]"


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
    for (recipe, method, size), group in curves.groupby(["recipe", "method", "size"], sort=True):
        result = estimate(group["score"], float(group["spent"].max()))
        name, ends = (
            " · ".join(filter(None, (str(method), str(recipe)))),
            {"low": result.low, "high": result.high},
        )
        row = {"method": method, "name": name, "size": size, "mean": result.mean, **ends}
        found.append({"recipe": recipe, "other": method != BASELINE, **row})
    return pd.DataFrame(found).sort_values(["recipe", "other", "method", "size"], ignore_index=True)


def _saved_finding(saved: pd.DataFrame) -> list[str]:
    if saved.empty or not saved["n"].sum():
        return ["No method shares a seed with the baseline's curve: data saved is unknown."]
    saved = saved.drop_duplicates(["workload", "recipe", "size", "sample"])
    below, inside, beyond = (int(saved[name].sum()) for name in ("below", "inside", "beyond"))
    where = (
        f"Of {below + inside + beyond} results of methods, {inside} lie within the range of standard "
        f"training's curve, {below} below it and {beyond} beyond it."
    )
    known = saved.dropna(subset="saved").sort_values("saved", kind="stable")
    if known.empty:
        return [
            f"{where} At no size do all seeds lie within it, so there is no mean share of saved data.",
            *_bounded(saved),
        ]
    least, most = rows(known)[0], rows(known)[-1]
    between = f"between {_share(least)} % and {_share(most)} %" if len(known) > 1 else f"{_share(most)} %"
    half, sure = int((known["saved"] >= 0.5).sum()), int((known["low"] >= 0.5).sum())
    return [
        f"{where} At {len(known)} of {len(saved)} sizes all seeds lie within it. There methods save "
        f"{between} of the training data at equal quality. The paper claims at least half: the mean "
        f"reaches that at {half} of these sizes, the whole interval at {sure}.",
        *_bounded(saved),
    ]


def _bounded(saved: pd.DataFrame) -> list[str]:
    """What is known of methods that are better than standard training at any size."""
    bounded = saved[saved["at_least"] > 0].sort_values("at_least", kind="stable")
    if bounded.empty:
        return []
    told = ", ".join(f"{_share(row)} % at {row['size']:,.0f} examples" for row in rows(bounded))
    return [
        "Beyond that range standard training needs more examples than it had, so the share has a bound: "
        f"{told}."
    ]


def _share(row: Row) -> str:
    """A share in per cent with its interval, or the bound that is known of it."""
    if row["saved"] != row["saved"] and row["at_least"] == row["at_least"]:
        return f"≥ {number(100 * row['at_least'], 0)}"
    ends = (number(100 * row[end], 0) for end in ("low", "high"))
    return number(100 * row["saved"], 0) + ("" if row["low"] != row["low"] else f" [{', '.join(ends)}]")


def _saved_table(saved: pd.DataFrame) -> Table:
    return Table(
        "saved",
        "Training data saved at equal quality",
        "1 − n/n′: standard training needs n′ examples for what the method reaches with n, read off each "
        "seed's curve over log n. Below counts seeds worse than standard training at its smallest size; "
        "beyond counts seeds better than it at any size. For those n′ is unknown, and a mean without them "
        "would mislead, so there is a mean only where all seeds lie inside. Where some lie beyond and none "
        "below, n′ is at least standard training's largest size, and the share is a lower bound.",
        saved,
        [
            text_column("workload", "workload"),
            text_column("method", "method"),
            *_varied(saved, {"recipe": "recipe"}),
            Column("examples", lambda row: f"{row['size']:,.0f}", lambda row: row["size"], numeric=True),
            number_column("n", "n"),
            number_column("below", "below"),
            number_column("inside", "inside"),
            number_column("beyond", "beyond"),
            Column("saved (%)", _share, lambda row: row["saved"], numeric=True),
        ],
    )
