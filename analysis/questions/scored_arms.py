"""The arms of a workload, scored from the records of its trials."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.keeping import beyond
from analysis.questions.answers import NO_EFFECT, Effect
from analysis.questions.arms import SPENT, Arm, Chosen, Compared
from analysis.questions.by_size import OnExamples, alike_but_for_size
from analysis.questions.controls import compare_methods, scored_methods
from analysis.questions.selection import tried
from analysis.records import (
    BASELINE,
    BUDGET,
    CONFIGURATION,
    CONTROL,
    EPOCHS,
    Metric,
    Records,
    asked_sizes,
    describe,
    rows,
)
from analysis.scoring import places


def compared(records: Records, metric: Metric) -> list[Compared]:
    """What is compared in each workload that has complete trials."""
    trials = records.complete(controls=True)
    if trials.empty:
        return []
    scored = scored_methods(records, metric)
    columns = ["workload", *records.training]
    settings = scored.drop_duplicates("setting")[["setting", *columns]]
    trials = trials.merge(settings, on=columns, how="left").assign(plain=records.plain)
    chosen, attacks = _chosen(records), tried(records)
    sized = attacks.assign(examples=asked_sizes(attacks)).groupby(["workload", "examples"]).size()
    candidates = {name: int(count) for name, count in sized.items()}
    tables = _tables(scored, metric)
    of_setting = dict(tuple(trials.groupby("setting")))
    short = beyond(records) if records.rule.constraints else {}
    found = []
    for workload, own in trials.groupby("workload", sort=True):
        best = chosen.get(str(workload))
        setting = _setting(own, best)
        names = ["method", *(c for c in records.hyperparameters if c != "control")]
        names += [c for c in records.trained if own[c].nunique(dropna=False) > 1]
        sizes = dict(alike_but_for_size(settings, setting))
        among = candidates.get((workload, sizes[setting]), 0)
        attack = None if best is None else _described(records, own, best, names, among)
        arms = [_arm(row, attack, names) for row in tables[setting]]
        arms = [replace(arm, keeps=not short.get(arm.identity, 0.0)) for arm in arms]
        arms = sorted(_one_name_each(arms, attack), key=lambda arm: not arm.is_baseline)
        here = Compared(str(workload), arms, attack, of_setting[setting], sizes.pop(setting), [])
        elsewhere = _on_other_sizes(tables, sizes, here.method)
        lacks = [] if here.baseline else _plain_lacks(records, own, setting)
        found.append(replace(here, other_sizes=elsewhere, plain_lacks=lacks))
    return found


def _on_other_sizes(
    tables: Mapping[float, Sequence["_Row"]], sizes: Mapping[float, float], method: Arm | None
) -> list[OnExamples]:
    """What a method gains under other settings, given their numbers of examples."""
    return [
        OnExamples(examples, row.over_baseline)
        for setting, examples in sizes.items()
        for row in tables[setting]
        if method is not None and (row.values["family"], row.values["control"]) == (method.family, "")
    ]


def _chosen(records: Records) -> dict[str, str]:
    """By workload the configuration that `analysis.choice.Choice` puts first among attacks."""
    complete = records.complete()
    attacks = complete[~records.plain(complete)]
    place = places(records, attacks, attacks[CONFIGURATION])
    first = place == place.groupby(attacks["workload"]).transform("min")
    return {str(w): str(c) for w, c in attacks[first].groupby("workload")[CONFIGURATION].first().items()}


def _setting(own: pd.DataFrame, best: str | None) -> float:
    """The training settings under which a workload is compared: the chosen one's, or else the commonest."""
    of = own if best is None else own[own[CONFIGURATION] == best]
    return float(of["setting"].mode().iloc[0])


def _plain_lacks(records: Records, own: pd.DataFrame, setting: float) -> list[str]:
    """See `Compared.plain_lacks`: what no plain training shares or, where each is shared by some, all."""
    plain = own[own["plain"] & (own[CONTROL] == "")]
    if plain.empty:
        return []
    wanted = _first(own[own["setting"] == setting])
    columns = [c for c in records.pair if "." in c]
    same = {c: (plain[c] == wanted[c]) | (plain[c].isna() & pd.isna(wanted[c])) for c in columns}
    lacks = [c for c in columns if not same[c].any()] or [c for c in columns if not same[c].all()]
    return ["budget of passes" if c == BUDGET else c.rpartition(".")[2] for c in lacks]


def _described(
    records: Records, own: pd.DataFrame, best: str, names: Sequence[str], candidates: int
) -> Chosen:
    attacks = own[~own["plain"] & (own[CONTROL] == "")]
    searched = attacks[~attacks["stage"].isin(records.confirmations)]
    explored = searched[searched[CONFIGURATION] == best].drop_duplicates("seed")
    row = _first(attacks[attacks[CONFIGURATION] == best])
    settings = [c for c in records.trained if c in names]
    return Chosen(
        str(row["method"]),
        describe(row, names),
        best,
        float(explored["value"].mean()),
        len(explored),
        candidates,
        describe(row, settings),
    )


@dataclass(frozen=True)
class _Row:
    """A row of `compare_methods`, with the trial that stands for its configuration and results by seed."""

    values: Mapping[str, Any]
    trial: Mapping[str, Any]
    costs: Mapping[str, float]
    results: Mapping[float, float]
    over_baseline: Effect
    method_over: Effect


def _tables(scored: pd.DataFrame, metric: Metric) -> dict[float, list[_Row]]:
    """The rows of `compare_methods` by workload and training setting."""
    by = ["setting", "family"]
    often = scored.groupby([*by, CONFIGURATION])["seed"].transform("size")
    first = scored.assign(rarely=-often).sort_values([*by, "rarely"], kind="stable").drop_duplicates(by)
    trials = {(row["setting"], row["family"]): row for row in rows(first)}
    costs = _costs(scored).groupby(by).mean()
    results, gains = (_by_seed(scored, column) for column in ("merit", "gain"))
    found: dict[float, list[_Row]] = {}
    for row in rows(compare_methods(scored)):
        name = (row["setting"], row["family"])
        over_baseline = _over_baseline(row, gains.get(name, {}))
        known = {str(column): float(value) for column, value in costs.loc[name].items()}
        own = results.get(name, {})
        each = _Row(row, trials[name], known, own, over_baseline, _method_over(row, metric))
        found.setdefault(row["setting"], []).append(each)
    return found


def _costs(scored: pd.DataFrame) -> pd.DataFrame:
    """Names of families with ``epochs``, ``total`` passes, and these as a ``share`` of plain training's."""
    epochs = scored[EPOCHS].astype(float) if EPOCHS in scored else math.nan
    total = scored["passes"] * epochs
    share = total / scored[BUDGET] if BUDGET in scored else scored["passes"]
    return scored[["setting", "family"]].assign(epochs=epochs, total=total, share=share)


def _by_seed(scored: pd.DataFrame, column: str) -> dict[tuple[Any, Any], dict[float, float]]:
    """A column of each family's trials by seed."""
    means = scored.groupby(["setting", "family", "seed"])[column].mean().dropna()
    found: dict[tuple[Any, Any], dict[float, float]] = {}
    for (setting, family, seed), value in zip(means.index, means, strict=True):
        found.setdefault((setting, family), {})[float(seed)] = float(value)
    return found


def _arm(row: _Row, chosen: Chosen | None, names: Sequence[str]) -> Arm:
    values, is_chosen = row.values, bool(row.trial["chosen"]) and chosen is not None
    baseline = bool(values["is_baseline"])
    cost = row.costs["share"]
    return Arm(
        family=str(values["family"]),
        control=str(values["control"]),
        configuration=chosen.configuration if is_chosen and chosen else describe(row.trial, names),
        identity=chosen.identity if is_chosen and chosen else str(row.trial[CONFIGURATION]),
        passes=float(values["passes"]),
        epochs=row.costs["epochs"],
        total=row.costs["total"],
        cost=1.0 if SPENT <= cost < 1 else cost,
        n=int(values["n"]),
        mean=float(values["mean"]),
        low=float(values["low"]),
        high=float(values["high"]),
        over_baseline=NO_EFFECT if baseline else row.over_baseline,
        method_over=row.method_over,
        alike=bool(values["alike"]),
        results=row.results,
        is_baseline=baseline,
        is_chosen=is_chosen,
    )


def _one_name_each(arms: Sequence[Arm], chosen: Chosen | None) -> list[Arm]:
    """Plain training and what validation chooses have one name, whatever others they were asked for under."""

    def first(same: Sequence[Arm], family: str) -> Arm | None:
        return next((a for a in same if a.family == family), next(iter(same), None))

    plain = first([a for a in arms if a.is_baseline], BASELINE)
    best = first([a for a in arms if a.is_chosen], "" if chosen is None else chosen.family)
    return [a for a in arms if not (a.is_baseline or a.is_chosen) or a is plain or a is best]


def _first(frame: pd.DataFrame) -> dict[str, Any]:
    return {str(name): value for name, value in frame.iloc[0].items()}


def _over_baseline(row: Mapping[str, Any], gains: Mapping[float, float]) -> Effect:
    return Effect(
        n=int(row["gain_n"]),
        gain=float(row["gain"]),
        low=float(row["gain_low"]),
        high=float(row["gain_high"]),
        sd=float(row["gain_sd"]),
        p=float(row["p_holm"]),
        values=tuple(gains.values()),
        scored_on=str(row["scored_on"]),
    )


def _method_over(row: Mapping[str, Any], metric: Metric) -> Effect:
    least, most = metric.gain_bounds
    known = not math.isnan(row["over_low"])
    return Effect(
        n=int(row["over_n"]),
        gain=float(row["over"]),
        low=max(float(row["over_low"]), least) if known else math.nan,
        high=min(float(row["over_high"]), most) if known else math.nan,
        sd=float(row["over_sd"]),
        p=float(row["over_p"]),
        values=tuple(row["over_values"]),
        scored_on=str(row["scored_on"]),
    )
