"""Compares arms: the best of those in question with the best of the others, on fresh seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from analysis.conditional_power import either, significant, within
from analysis.crossed import crossed_interval
from analysis.questions.answers import Effect, Outcome, Scale, further_seeds, paired
from analysis.questions.entrants import Entrant, Lineup, lineups, planned
from analysis.records import CONFIGURATION, Metric, Records
from analysis.scoring import FRESH
from analysis.statistics import ALPHA, equivalence_p, estimate, holm
from dropattack.settings import EPS_ZERO


@dataclass(frozen=True)
class Contrast:
    """The contender's gain over the rival on the same fresh seeds: the one planned test.

    Attributes:
        effect: The difference; p after Holm's correction over the sweep's workloads, where those whose
            arms have not met count as p = 1.
        outcome: Whether it helps, harms, makes no difference that matters, or is undecided.
        equivalence: p-value that it lies within the margin (`analysis.statistics.equivalence_p`).
        crossed: Interval over seeds and test examples; NaN where it is not known which were recognised.
        needed: Seeds in all that would decide it in 80 % of cases, were the true difference and spread the
            observed ones; NaN where it is decided, infinite if no number would do.
    """

    effect: Effect
    outcome: Outcome
    equivalence: float
    crossed: tuple[float, float]
    needed: float


class Credit(StrEnum):
    """What part the attack has in what the contender reaches, by the control that trains without it."""

    SHOWN = "the attack has a part in it"
    HARMFUL = "without its attack it is better"
    NONE = "its attack makes no difference that matters"
    UNSHOWN = "the attack is not shown to have a part in it"
    UNTESTED = "whether the attack has a part in it is not tested"


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
        attacks: Whether the contender's method has controls of its own, `eps-zero` among them.
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
    attacks: bool

    @property
    def over_untouched(self) -> Effect | None:
        """The contender's gain over its control `eps-zero`; ``None`` until that has all fresh seeds.

        The control keeps the learning rate that was tuned for the attack.
        """
        found = self.over_controls.get(EPS_ZERO)
        return found if found is not None and found.n >= self.seeds else None

    @property
    def credit(self) -> Credit:
        """What part the attack has, by a test at 5 % after Holm's correction over all controls."""
        found = self.over_untouched
        if found is None:
            return Credit.UNTESTED
        if found.p < ALPHA:
            return Credit.SHOWN if found.gain > 0 else Credit.HARMFUL
        alike = equivalence_p(estimate(found.values), self.scale.margin) < ALPHA
        return Credit.NONE if alike else Credit.UNSHOWN

    @property
    def credit_of_gain(self) -> Credit | None:
        """`credit` where the contender helps; ``None`` elsewhere, and for methods without such a control."""
        is_asked = self.attacks or self.credit is not Credit.UNTESTED
        return self.credit if self.contrast.outcome is Outcome.HELPS and is_asked else None


def contests(records: Records) -> dict[str, Met]:
    """What the contest of a sweep shows, by workload; nothing where it has none, or the arms have not met."""
    found = {each.workload: met for each in lineups(records) if (met := _met(records, each)) is not None}
    tests = planned(records)
    corrected = holm([*(met.contrast.effect.p for met in found.values()), *[1.0] * (tests - len(found))])
    return {
        workload: replace(met, contrast=_contrast(records, met, float(p), tests))
        for (workload, met), p in zip(found.items(), corrected, strict=False)
    }


def _met(records: Records, lineup: Lineup) -> Met | None:
    """One workload's contest, the contrast not yet corrected; nothing where one side is missing."""
    contender, rival = lineup.contender, lineup.rival
    if contender is None or rival is None or not lineup.met:
        return None
    plain = pd.Series(rival.results, dtype=float)
    scale = Scale.of(records.reported, lineup.fresh, plain, lineup.search.get("margin"))
    effect = _over(contender, rival)
    return Met(
        workload=lineup.workload,
        metric=records.reported,
        scale=scale,
        entrants=lineup.entrants,
        contender=contender,
        rival=rival,
        contrast=Contrast(effect, Outcome.UNDECIDED, math.nan, (math.nan, math.nan), math.nan),
        over=_corrected({e.arm: _over(contender, e) for e in lineup.entrants if e is not contender}),
        controls=lineup.controls,
        over_controls=_corrected({e.arm: _over(contender, e) for e in lineup.controls}),
        seeds=lineup.seeds,
        attacks=_has_controls(lineup.fresh, contender),
    )


def _has_controls(fresh: pd.DataFrame, contender: Entrant) -> bool:
    """Whether a method has controls of its own: its trials then record which one they are, if only none."""
    own = fresh[fresh[CONFIGURATION] == contender.identity]
    return "control" in own and bool(own["control"].notna().any())


def _over(one: Entrant, other: Entrant) -> Effect:
    """One arm's gain over another, paired by seed; p is not corrected."""
    return paired(one.results, other.results, FRESH)


def _corrected(effects: Mapping[str, Effect]) -> dict[str, Effect]:
    adjusted = holm([effect.p for effect in effects.values()])
    return {
        name: replace(effect, p=float(p)) for (name, effect), p in zip(effects.items(), adjusted, strict=True)
    }


def _contrast(records: Records, met: Met, p: float, tests: int) -> Contrast:
    effect, margin = replace(met.contrast.effect, p=p), met.scale.margin
    equivalence = equivalence_p(estimate(effect.values), margin)
    outcome = judged(effect, equivalence, margin)
    seeds = needed(effect, margin, tests, margin) if outcome is Outcome.UNDECIDED else math.nan
    return Contrast(effect, outcome, equivalence, _crossed(records, met), seeds)


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


def needed(effect: Effect, margin: float, tests: int, beyond: float = 0.0) -> float:
    """Seeds in all that would decide a difference, which so far is undecided.

    Args:
        effect: The difference.
        margin: Differences up to this do not matter.
        tests: How many tests Holm's correction is over; the count holds at its strictest.
        beyond: What a difference must exceed to be shown, beside being significant.

    Returns:
        See `Contrast.needed`.
    """
    return further_seeds(effect, either(significant(ALPHA / tests, beyond), within(margin, ALPHA)))


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
