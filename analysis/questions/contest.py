"""Compares arms: the best of those in question with the best of the others, on fresh seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.contest import Contest
from analysis.crossed import crossed_interval
from analysis.questions.answers import NO_EFFECT, Effect, Outcome, Scale
from analysis.questions.controls import PLAIN
from analysis.records import BASELINE, COMPLETE, CONFIGURATION, CONTROL, Metric, Records, describe, rows
from analysis.scoring import FRESH
from analysis.statistics import ALPHA, equivalence_p, estimate, holm, seeds_needed
from dropattack.settings import EPS_ZERO


@dataclass(frozen=True)
class Entrant:
    """One arm, as its stage chose it and fresh seeds scored it.

    Attributes:
        arm: The stage that searched for it; of a control the control's name.
        configuration: Its settings for people.
        identity: Names the configuration; see `trainables.trial.Identity`.
        tried: Configurations that its stage tried, with stopped ones; 0 for a control.
        spent: Passes over the training split that its stage took; 0 for a control.
        chosen_by: Mean validation value of its configuration on the seeds that were searched.
        searched: How many seeds that is.
        passes: Forward-backward passes over the training split of one training.
        n: Fresh seeds that have a result.
        mean: Mean result on them, in the metric's unit.
        low: Lower end of its 95 % interval; NaN where there is none.
        high: Upper end.
        results: Its result by seed, larger is better.
        keys: Its trials by seed.
    """

    arm: str
    configuration: str
    identity: str
    tried: int
    spent: float
    chosen_by: float
    searched: int
    passes: float
    n: int
    mean: float
    low: float
    high: float
    results: Mapping[float, float]
    keys: Mapping[float, str]


@dataclass(frozen=True)
class Contrast:
    """The contender's gain over the rival on the same fresh seeds: the one planned test.

    Attributes:
        effect: The difference; p after Holm's correction over the workloads of the sweep.
        outcome: Whether it helps, harms, makes no difference that matters, or is undecided.
        equivalence: p-value that it lies within the margin (`analysis.statistics.equivalence_p`).
        crossed: Interval over seeds and test examples; NaN where it is not known which were recognised.
        needed: Seeds that would decide it, were the difference as observed, or as large as what matters; NaN
            where it is decided.
    """

    effect: Effect
    outcome: Outcome
    equivalence: float
    crossed: tuple[float, float]
    needed: float


@dataclass(frozen=True)
class Met:
    """What a contest shows of one workload.

    Attributes:
        workload: Its name.
        metric: What results are of.
        scale: Which differences matter.
        entrants: All arms, in the order of their stages.
        contender: The best of the arms in question, by validation on the searched seeds.
        rival: The best of the others, likewise.
        contrast: The contender against the rival.
        over: The contender's gain over each other arm, by arm; p after Holm's correction over them.
        controls: Control experiments of the contender's configuration.
        over_controls: The contender's gain over each, by control; p after Holm's correction over them.
        seeds: Fresh seeds that the sweep asks for.
    """

    workload: str
    metric: Metric
    scale: Scale
    entrants: Sequence[Entrant]
    contender: Entrant
    rival: Entrant
    contrast: Contrast
    over: Mapping[str, Effect]
    controls: Sequence[Entrant]
    over_controls: Mapping[str, Effect]
    seeds: int


def contests(records: Records) -> dict[str, Met]:
    """What the contest of a sweep shows, by workload; nothing where it has none, or no arm was confirmed."""
    stage = next((s for s in records.sweep.get("stages", ()) if _search(s).get("arms")), None)
    if stage is None:
        return {}
    found = {w: met for w in sorted(set(records.trials["workload"])) if (met := _met(records, stage, str(w)))}
    corrected = holm([met.contrast.effect.p for met in found.values()])
    return {
        workload: replace(met, contrast=_contrast(records, met, float(p)))
        for (workload, met), p in zip(found.items(), corrected, strict=True)
    }


def _search(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    search = stage.get("search")
    return search if isinstance(search, Mapping) else {}


def _met(records: Records, stage: Mapping[str, Any], workload: str) -> Met | None:
    """One workload's contest, the contrast not yet corrected; nothing where one side is missing."""
    metric, search = records.reported, _search(stage)
    trials = records.trials[records.trials["workload"] == workload]
    searched = trials[trials["stage"].isin(_searched_before(records, stage))]
    contest = _contest(records, searched, search["arms"])
    if contest.contender is None or contest.rival is None:
        return None
    fresh = trials[(trials["stage"] == stage.get("name")) & (trials["state"] == COMPLETE)]
    columns = ["method", *records.hyperparameters]
    columns += [c for c in records.trained if trials[c].nunique(dropna=False) > 1]
    entrants = [
        _entrant(records, metric, arm, str(identity), fresh, searched[searched["stage"] == arm], columns)
        for arm, identity in contest.best.items()
    ]
    by_arm = {entrant.arm: entrant for entrant in entrants}
    contender, rival = by_arm[contest.contender], by_arm[contest.rival]
    if not contender.n or not rival.n:
        return None
    known = {entrant.identity for entrant in entrants}
    others = fresh[(fresh[CONTROL] != "") & ~fresh[CONFIGURATION].isin(known)]
    others = _controls_of(records, fresh[fresh[CONFIGURATION] == contender.identity], others)
    controls = [
        _entrant(records, metric, str(own[CONTROL].iloc[0]), str(identity), fresh, own.iloc[:0], columns)
        for identity, own in others.groupby(CONFIGURATION, sort=False)
    ]
    scale = Scale.of(metric, fresh, pd.Series(rival.results, dtype=float))
    margin = search.get("margin")
    effect = _over(contender, rival)
    return Met(
        workload=workload,
        metric=metric,
        scale=scale if margin is None else replace(scale, margin=float(margin)),
        entrants=entrants,
        contender=contender,
        rival=rival,
        contrast=Contrast(effect, Outcome.UNDECIDED, math.nan, (math.nan, math.nan), math.nan),
        over=_corrected({e.arm: _over(contender, e) for e in entrants if e is not contender}),
        controls=controls,
        over_controls=_corrected({e.arm: _over(contender, e) for e in controls}),
        seeds=len(search["seeds"]),
    )


def _searched_before(records: Records, stage: Mapping[str, Any]) -> list[str]:
    """Names of the stages that searched before a confirmation; what comes after it is no arm of it."""
    names = [str(each.get("name")) for each in records.sweep.get("stages", ())]
    before = names[: names.index(str(stage.get("name")))]
    return [name for name in before if name not in records.confirmations]


def _controls_of(records: Records, own: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Of all controls those of one configuration, given by its trials.

    A search that went on may have changed who meets; controls of a former contender stay on record. Plain
    training, and perturbations of size 0, are one training for many configurations: as many passes count.
    """
    first = own.iloc[0]

    def alike(columns: Sequence[str]) -> pd.Series:
        same = [(others[c] == first[c]) | (others[c].isna() & pd.isna(first[c])) for c in columns]
        return pd.concat(same, axis=1).all(axis=1) if same else pd.Series(True, others.index)

    trained = alike(records.training)
    exact = trained & alike([c for c in records.method_settings if c != "control"])
    shared = others[CONTROL].isin((EPS_ZERO, *PLAIN)) & np.isclose(others["passes"], first["passes"])
    named = exact.groupby(others[CONTROL]).transform("any")
    return others[exact | (trained & shared & ~named)]


def _contest(records: Records, searched: pd.DataFrame, arms: Sequence[str]) -> Contest:
    """The arms that meet, as the sweep's engine decided."""
    contest, races = Contest(arms), set(records.races)
    counts = (searched["state"] == COMPLETE) & searched["value"].notna()
    plain = (searched["method"] == BASELINE) | (searched[CONTROL] == "")
    order = {str(s.get("name")): place for place, s in enumerate(records.sweep.get("stages", ()))}
    own = searched[counts & plain]
    for row in rows(own.assign(place=own["stage"].map(order)).sort_values("place", kind="stable")):
        merit = records.selected.sign * row["value"]
        arm = str(row["stage"])
        contest.add(arm, row[CONFIGURATION], row["seed"], row["key"], merit, race=arm in races)
    return contest


def _entrant(
    records: Records,
    metric: Metric,
    arm: str,
    identity: str,
    fresh: pd.DataFrame,
    stage: pd.DataFrame,
    columns: Sequence[str],
) -> Entrant:
    """An arm from its confirmation and what its own stage tried."""
    own = fresh[fresh[CONFIGURATION] == identity].drop_duplicates("seed").sort_values("seed")
    chosen = stage[(stage[CONFIGURATION] == identity) & (stage["state"] == COMPLETE)].drop_duplicates("seed")
    first = rows(own)[:1] or rows(chosen)[:1]
    column = records.values(metric)
    scores = own[column].astype(float)
    known = scores.notna()
    summary = estimate(scores)
    trainings = stage.drop_duplicates("key")
    return Entrant(
        arm=arm,
        configuration=describe(first[0], columns),
        identity=identity,
        tried=stage[CONFIGURATION].nunique(),
        spent=float((trainings["passes"] * trainings["epochs"]).sum()),
        chosen_by=float(chosen["value"].mean()),
        searched=len(chosen),
        passes=float(first[0]["passes"] * first[0].get("training.epochs", first[0]["epochs"])),
        n=summary.n,
        mean=summary.mean,
        low=summary.low,
        high=summary.high,
        results=dict(zip(own["seed"][known], metric.sign * scores[known], strict=True)),
        keys=dict(zip(own["seed"][known], own["key"][known], strict=True)),
    )


def _over(one: Entrant, other: Entrant) -> Effect:
    """One arm's gain over another, paired by seed; p is not corrected."""
    shared = sorted(one.results.keys() & other.results.keys())
    values = [one.results[seed] - other.results[seed] for seed in shared]
    if not values:
        return NO_EFFECT
    found = estimate(values)
    return Effect(found.n, found.mean, found.low, found.high, found.sd, found.p, tuple(values), FRESH)


def _corrected(effects: Mapping[str, Effect]) -> dict[str, Effect]:
    adjusted = holm([effect.p for effect in effects.values()])
    return {
        name: replace(effect, p=float(p)) for (name, effect), p in zip(effects.items(), adjusted, strict=True)
    }


def _contrast(records: Records, met: Met, p: float) -> Contrast:
    effect, margin = replace(met.contrast.effect, p=p), met.scale.margin
    equivalence = equivalence_p(estimate(effect.values), margin)
    outcome = judged(effect, equivalence, margin)
    needed = math.nan
    if outcome is Outcome.UNDECIDED:
        larger = float(np.nanmax([abs(effect.gain), margin]))
        needed = max(seeds_needed(larger, effect.sd), effect.n + 1.0)
    return Contrast(effect, outcome, equivalence, _crossed(records, met), needed)


def judged(effect: Effect, equivalence: float, margin: float) -> Outcome:
    """The outcome of a planned difference: it helps or harms only if it is significant and beyond the margin.

    Args:
        effect: The difference, with its corrected p-value.
        equivalence: p-value that it lies within the margin.
        margin: Differences up to this do not matter.
    """
    if equivalence < ALPHA:
        return Outcome.ALIKE
    if effect.p < ALPHA and abs(effect.gain) > margin:
        return Outcome.HELPS if effect.gain > 0 else Outcome.HARMS
    return Outcome.UNDECIDED


def _crossed(records: Records, met: Met) -> tuple[float, float]:
    """The interval over seeds and examples; NaN where it is not known which examples were recognised."""
    nothing = (math.nan, math.nan)
    if met.metric.column != "test_accuracy":
        return nothing
    seeds = sorted(met.contender.keys.keys() & met.rival.keys.keys())
    sides = []
    for side in (met.contender, met.rival):
        known = [right for seed in seeds if (right := records.recognised(side.keys[seed])) is not None]
        if len(known) < len(seeds) or len({len(right) for right in known}) != 1:
            return nothing
        sides.append(np.stack(known))
    ours, theirs = sides
    return crossed_interval(ours, theirs) if ours.shape == theirs.shape else nothing
