"""The outcome of comparing two ways to train: help, harm, no difference, or unknown."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from analysis.conditional_power import Decides, either, seeds_to_decide, significant, within
from analysis.records import Metric
from analysis.statistics import ALPHA, FEWEST, estimate, without_spread

MARGIN = 0.002
"""Differences of shares that do not matter: 0.2 points, which is what ten of 5,000 test examples make."""

MARGIN_OF_SPREAD = 0.5
"""Differences of other metrics that do not matter, as a share of plain training's standard deviation over
seeds: another seed alone moves a result by more than half of it in 62 % of cases."""

FIRST_SEEDS = 10
"""Seeds that show a gain of one standard deviation in 80 % of cases; recommended if no spread is known."""


class Outcome(StrEnum):
    """What is known of a difference."""

    HELPS = "helps"
    HARMS = "harms"
    ALIKE = "no difference that matters"
    UNDECIDED = "undecided"
    UNTESTED = "not tested"


@dataclass(frozen=True)
class Effect:
    """How much better one way to train is than another, paired by seed.

    Attributes:
        n: How many seeds both have.
        gain: Mean difference in the metric's own unit, positive where the first is better; NaN where n = 0.
        low: Lower end of the 95 % interval; NaN where there is none.
        high: Upper end.
        sd: Standard deviation of the differences; NaN where n < 2.
        p: p-value after Holm's correction; NaN where there is no test.
        values: The difference of each seed.
        scored_on: How the scored seeds were chosen, a key of `analysis.scoring.TIERS`.
    """

    n: int
    gain: float
    low: float
    high: float
    sd: float
    p: float
    values: tuple[float, ...] = ()
    scored_on: str = ""

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval, and with it a test."""
        return not math.isnan(self.low)


NO_EFFECT = Effect(0, math.nan, math.nan, math.nan, math.nan, math.nan)


def paired(one: Mapping[float, float], other: Mapping[float, float], scored_on: str) -> Effect:
    """One's gain over another, from their results by seed; p is not corrected.

    Args:
        one: Results by seed, larger is better.
        other: Likewise; seeds of one alone are left out.
        scored_on: How the seeds were chosen; see `Effect`.
    """
    values = tuple(one[seed] - other[seed] for seed in sorted(one.keys() & other.keys()))
    if not values:
        return NO_EFFECT
    found = estimate(values)
    return Effect(found.n, found.mean, found.low, found.high, found.sd, found.p, values, scored_on)


@dataclass(frozen=True)
class Scale:
    """What counts as a difference in one workload's metric.

    Attributes:
        margin: Differences up to this do not matter, in the metric's unit; NaN where that is not known.
        step: The least difference that one example of the test split makes; NaN where it is not known.
        examples: How many examples that split has; NaN where it is not recorded.
    """

    margin: float
    step: float = math.nan
    examples: float = math.nan

    @classmethod
    def of(
        cls, metric: Metric, trials: pd.DataFrame, baseline: pd.Series, margin: float | None = None
    ) -> "Scale":
        """What counts in one workload.

        Args:
            metric: What is compared.
            trials: Its trials, with ``test_examples`` where that was recorded.
            baseline: Results of plain training, one a seed.
            margin: What the sweep states; nothing for the usual one.
        """
        found = trials.get("test_examples", pd.Series(dtype=float)).min()
        examples = float(found) if pd.notna(found) else math.nan
        step = 1 / examples if metric.is_fraction and examples > 0 else math.nan
        if margin is None and metric.is_fraction:
            margin = MARGIN
        if margin is None:
            known = baseline.count() >= FEWEST
            margin = MARGIN_OF_SPREAD * float(baseline.std()) if known else math.nan
        return cls(margin, step, examples)


@dataclass(frozen=True)
class Answer:
    """An outcome, with what it rests on.

    Attributes:
        outcome: What is known.
        effect: The difference; with n = 0 if nothing was compared.
        too_coarse: Whether all seeds were equal on a test split that is too small to show what matters.
        needed: Seeds in all, those so far among them, that would decide it in 80 % of cases, if the true
            difference and spread were the observed ones; NaN if decided, infinite if no number would do.
    """

    outcome: Outcome
    effect: Effect = NO_EFFECT
    too_coarse: bool = False
    needed: float = math.nan

    @property
    def decided(self) -> bool:
        """Whether more seeds would show nothing more."""
        return self.outcome in (Outcome.HELPS, Outcome.HARMS, Outcome.ALIKE)


def answer(effect: Effect, scale: Scale) -> Answer:
    """The outcome that an effect shows.

    A difference whose whole interval lies within the margin does not matter, significant or not. Other
    differences help or harm if the corrected test is significant. Without an interval nothing is decided.
    """
    if not effect.n:
        return Answer(Outcome.UNTESTED)
    coarse = effect.has_interval and effect.low == effect.high == 0 and scale.step > scale.margin
    within = -scale.margin <= effect.low and effect.high <= scale.margin
    if effect.has_interval and (within or effect.low == effect.high == 0) and not coarse:
        return Answer(Outcome.ALIKE, effect)
    if effect.has_interval and effect.p < ALPHA:
        return Answer(Outcome.HELPS if effect.gain > 0 else Outcome.HARMS, effect)
    return Answer(Outcome.UNDECIDED, effect, coarse, math.nan if coarse else _needed(effect, scale))


def _needed(effect: Effect, scale: Scale) -> float:
    """See `Answer.needed`."""
    return further_seeds(effect, either(significant(), within(scale.margin, ALPHA / 2)))


def further_seeds(effect: Effect, rule: Decides) -> float:
    """Seeds in all at which a rule would decide an effect; `FIRST_SEEDS` where too few tell of the spread."""
    if effect.n < FEWEST or without_spread(effect.sd, effect.gain):
        return float(max(FIRST_SEEDS, effect.n + 1))
    return seeds_to_decide(effect.n, effect.gain, effect.sd, rule)
