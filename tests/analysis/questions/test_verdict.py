"""The verdict on records with planted effects: how often it errs, and that it finds what is there."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.questions.answers import Outcome
from analysis.questions.verdict import verdicts
from analysis.records import Records
from tests.analysis.ways import WAYS, around, records, way


def simulated(sweeps: int, seeds: int, gain: float, rng_seed: int, sd: float = 0.6) -> dict[str, Any]:
    """Results in points, ``[way, sweep, seed]``; differences have the standard deviation ``sd``."""
    rng = np.random.default_rng(rng_seed)
    means = np.array([0.0, gain, 0.0])[:, None, None]
    return dict(zip(WAYS, 90 + means + rng.normal(0, sd / math.sqrt(2), (3, sweeps, seeds)), strict=False))


def as_records(results: Mapping[str, Any]) -> Records:
    """Every simulated sweep as a workload of its own."""
    frames = [
        way(name, list(each / 100), workload=f"w{i:04d}")
        for name, all_of_it in results.items()
        for i, each in enumerate(all_of_it)
    ]
    return records(*frames)


def outcome_by_hand(difference: Any) -> Outcome:
    """Of differences in points: by scipy's t test and interval, with the margin as documented."""
    test = stats.ttest_1samp(difference, 0)
    low, high = test.confidence_interval(0.95)
    if low >= -0.2 and high <= 0.2:
        return Outcome.ALIKE
    if test.pvalue < 0.05:
        return Outcome.HELPS if difference.mean() > 0 else Outcome.HARMS
    return Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("gain", "seeds", "sd"), [(0.0, 5, 0.6), (0.6, 6, 0.6), (-0.9, 4, 0.6), (0.05, 40, 0.3)]
)
def test_the_outcome_is_that_of_the_t_test_and_the_margin(gain: float, seeds: int, sd: float) -> None:
    """At equal cost: one control, so that Holm corrects nothing."""
    results = simulated(20, seeds, gain, rng_seed=seeds, sd=sd)
    found = verdicts(as_records(results))
    differences = results["attack"] - results["equal-passes"]
    assert [each.equal_cost.outcome for each in found] == [outcome_by_hand(d) for d in differences]
    effects = [each.equal_cost.effect for each in found]
    assert [e.gain for e in effects] == pytest.approx(list(differences.mean(axis=1) / 100))


def test_without_an_effect_helps_is_said_of_few_sweeps() -> None:
    """1,000 sweeps, by both comparisons: it helps at equal cost or at equal epochs in 5 % of them at most."""
    results = simulated(1000, 5, 0.0, rng_seed=1)
    helps = [
        Outcome.HELPS in (outcome_by_hand(a), outcome_by_hand(b))
        for a, b in zip(
            results["attack"] - results["equal-passes"], results["attack"] - results["baseline"], strict=True
        )
    ]
    assert np.mean(helps) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("settings", [1, 3])
def test_without_an_effect_nothing_is_recommended_but_plain_training(settings: int) -> None:
    """1,000 whole verdicts, also where validation chooses among settings and shares half of test's luck."""
    rng, frames = np.random.default_rng(settings), []
    attacks: list[tuple[str, dict[str, Any]]] = [("attack", {"epsilon": 1.0 + i}) for i in range(settings)]
    ways = [("baseline", {}), ("equal-passes", {}), *attacks]
    for i, (name, changes) in itertools.product(range(1000), ways):
        luck = rng.normal(0.9, 0.003, 5)
        own = way(name, list(luck), workload=f"w{i:04d}", **changes)
        frames.append(own.assign(test_accuracy=luck + rng.normal(0, 0.003, 5)))
    found = verdicts(records(*frames))
    helps = [Outcome.HELPS in (v.equal_cost.outcome, v.equal_epochs.outcome) for v in found]
    assert np.mean(helps) <= 0.05
    assert np.mean([v.use is not None and v.use.arm.is_chosen for v in found]) <= 0.05


def test_a_planted_point_is_found_with_ten_seeds() -> None:
    results = simulated(60, 10, 1.0, rng_seed=2)
    found = verdicts(as_records(results))
    assert np.mean([each.equal_cost.outcome is Outcome.HELPS for each in found]) >= 0.8
    helped = [each for each in found if each.equal_cost.outcome is Outcome.HELPS]
    assert all(each.lines()[0].startswith("At equal cost it helps: +") for each in helped)


def test_several_workloads_with_opposite_answers() -> None:
    frames = []
    for workload, gain in (("good", 0.02), ("bad", -0.02)):
        for name, shift in (("baseline", 0.0), ("attack", gain), ("equal-passes", 0.0)):
            frames.append(way(name, around(0.9 + shift), workload=workload))
    bad, good = verdicts(records(*frames))
    assert (bad.workload, good.workload) == ("bad", "good")
    assert good.equal_cost.outcome is good.equal_epochs.outcome is Outcome.HELPS
    assert bad.equal_cost.outcome is bad.equal_epochs.outcome is Outcome.HARMS
    assert good.use is not None
    assert good.use.arm.is_chosen
    assert bad.use is not None
    assert bad.use.arm.is_baseline


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("level", [0.02, 0.5, 0.99])
def test_no_interval_leaves_what_the_metric_can_be(seeds: int, level: float) -> None:
    rng = np.random.default_rng(seeds)
    frames = [
        way(name, list(rng.beta(level, 1 - level, seeds)), workload=f"w{i}")
        for i in range(15)
        for name in ("baseline", "attack", "equal-passes", "p-one")
    ]
    for found in verdicts(records(*frames)):
        for arm in found.arms:
            assert math.isnan(arm.low) or 0 <= arm.low <= arm.mean <= arm.high <= 1
            for effect in (arm.over_baseline, arm.method_over):
                assert math.isnan(effect.low) or -1 <= effect.low <= effect.gain <= effect.high <= 1


def test_nothing_recorded_is_no_verdict() -> None:
    assert verdicts(Records(pd.DataFrame())) == []
    assert verdicts(records(way("attack", around(0.9)).assign(state="failed", value=math.nan))) == []
