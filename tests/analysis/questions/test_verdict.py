"""The verdict on records with planted effects: how often it errs, and that it finds what is there."""

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.questions.answers import Outcome
from analysis.questions.verdict import verdicts
from analysis.records import Records
from tests.analysis.ways import WAYS, around, records, verdict, way


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
    assert all(each.lines()[0].startswith("At equal cost dropattack helps: +") for each in helped)


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


@pytest.mark.parametrize("missing", [[0], [1, 4], [0, 1, 2, 3]])
def test_a_baseline_that_is_missing_for_some_seeds_pairs_with_the_others(missing: list[int]) -> None:
    """Its seeds alone count at equal epochs; at equal cost, where it is not asked for, all do."""
    results = {
        name: around(mean) for name, mean in (("baseline", 0.90), ("attack", 0.93), ("equal-passes", 0.91))
    }
    there = {seed: value for seed, value in enumerate(results["baseline"]) if seed not in missing}
    (found,) = verdicts(
        records(
            way("baseline", there),
            way("attack", results["attack"]),
            way("equal-passes", results["equal-passes"]),
        )
    )
    gains = [results["attack"][seed] - there[seed] for seed in there]
    effect = found.equal_epochs.effect
    assert (effect.n, effect.gain) == (len(there), pytest.approx(np.mean(gains)))
    assert effect.has_interval == (len(there) > 2)
    assert found.equal_cost.effect.n == 6
    assert found.equal_cost.effect.gain == pytest.approx(
        np.mean(np.subtract(results["attack"], results["equal-passes"]))
    )
    if len(there) < 3:
        assert found.equal_epochs.outcome is Outcome.UNDECIDED
        assert found.use is not None
        assert not found.use.arm.is_chosen


@pytest.mark.parametrize("error", [3.0, 7.0])
def test_where_lower_is_better_a_smaller_error_helps(error: float) -> None:
    """Another metric with the same verdicts: an attack of 5 against plain training with errors around it."""
    names = {"baseline": error, "attack": 5.0, "equal-passes": error}
    frames = [way(name, around(mean, 0.2)) for name, mean in names.items()]
    frames = [frame.rename(columns={"test_accuracy": "test_rmse"}) for frame in frames]
    (found,) = verdicts(records(*frames, select="valid_rmse", mode="min"))
    better = error > 5
    assert found.equal_cost.outcome is (Outcome.HELPS if better else Outcome.HARMS)
    assert found.equal_epochs.outcome is found.equal_cost.outcome
    assert found.equal_epochs.effect.gain == pytest.approx(error - 5, abs=0.05)
    assert found.use is not None
    assert (found.use.arm.is_chosen, found.use.arm.is_baseline) == (better, not better)
    assert all(arm.low >= 0 for arm in found.arms)
    first = found.lines()[0]
    assert ("dropattack helps: +" in first) == better
    assert "points" not in first


_RESULT = st.floats(0, 1) | st.sampled_from([0.0, 1.0, math.nextafter(1, 0)])
_RESULTS = st.integers(1, 5).flatmap(
    lambda seeds: st.fixed_dictionaries(
        {name: st.lists(_RESULT, min_size=seeds, max_size=seeds) for name in WAYS}
    )
)


@given(results=_RESULTS)
@settings(max_examples=8, deadline=None)
def test_whatever_the_results_each_interval_holds_its_estimate_within_bounds(
    results: dict[str, list[float]],
) -> None:
    (found,) = verdicts(records(*(way(name, own) for name, own in results.items())))
    for arm in found.arms:
        values = arm.results.values()
        known = arm.n >= 3 and max(values) - min(values) > 1e-8
        assert math.isnan(arm.low) == math.isnan(arm.high)
        assert not math.isnan(arm.low) or not known
        if not math.isnan(arm.low):
            assert -1e-9 <= arm.low <= arm.mean + 1e-9
            assert arm.mean - 1e-9 <= arm.high <= 1 + 1e-9
        for effect in (arm.over_baseline, arm.method_over):
            if effect.has_interval:
                assert effect.n >= 3
                assert -1 - 1e-9 <= effect.low <= effect.gain + 1e-9
                assert effect.gain - 1e-9 <= effect.high <= 1 + 1e-9
    text = " ".join(found.lines())
    assert not re.search(r"−0\.0+(?!\d)|nan|inf\b", text)
    if len(results["attack"]) < 3:
        outcomes = {found.equal_cost.outcome, found.equal_epochs.outcome}
        assert not outcomes & {Outcome.HELPS, Outcome.HARMS, Outcome.ALIKE}


def test_points_that_are_not_of_accuracy_are_named() -> None:
    """A gain under attack is no gain in accuracy, and must not read like one."""
    frames = [way("baseline", around(0.3)), way("attack", around(0.6)), way("equal-passes", around(0.3))]
    attacked = [frame.rename(columns={"test_accuracy": "test_pgd-20_0.1_accuracy"}) for frame in frames]
    (found,) = verdicts(records(*attacked, select="valid_pgd-20_0.1_accuracy"))
    assert "points of pgd-20 0.1 accuracy over plain training with as many passes (n = 6" in found.lines()[0]
    assert "points over plain training with as many passes (n = 6" in verdicts(records(*frames))[0].lines()[0]


def test_a_method_of_one_pass_a_step_is_tested_at_equal_cost_by_plain_training() -> None:
    """Dropout or a bias of its own costs no pass: plain training is what takes as many."""
    free = way("attack", around(0.93), method="apb", passes=1.0)
    found = verdict(way("baseline", around(0.90)), free)
    assert found.equal_cost == found.equal_epochs
    assert found.equal_cost.outcome is Outcome.HELPS
    first, second, *_, last = found.lines()
    assert first.startswith("At equal cost apb helps: +3.00 [")
    assert "over plain training (n = 6 seeds" in first
    assert second == (
        "At equal epochs it is the same comparison: it takes one pass a step, as plain training does."
    )
    assert last == "Next: nothing more is needed to answer this."
    worse = verdict(way("baseline", around(0.96)), free).lines()[0]
    assert worse.startswith("At equal cost apb harms: plain training is better by +3.00 [")


def test_a_method_of_one_pass_without_its_baseline_is_not_tested() -> None:
    free = way("attack", {0: 0.93, 1: 0.94}, method="apb", passes=1.0)
    alone = verdict(free).lines()
    assert alone[0] == "Not tested at equal cost: plain training did not run."
    apart = verdict(free, way("baseline", {7: 0.9, 8: 0.91})).lines()
    assert apart[0] == "Not tested at equal cost: plain training shares no seed with it."


def test_plain_training_of_other_settings_is_not_said_to_be_missing() -> None:
    """One recipe is searched for each way to train, so none shares its learning rate with plain training."""
    rates = {"training.learning_rate": 0.01, "training.epochs": 4}
    plain = [
        way("baseline", {s: 0.9 + s / 100 for s in range(3)}, **{**rates, **own}, key=f"plain{i}")
        for i, own in enumerate([{"training.learning_rate": 0.02}, {"training.epochs": 8}])
    ]
    plain = [frame.assign(key=frame["key"] + frame["seed"].astype(str)) for frame in plain]
    attack = way("attack", {0: 0.93, 1: 0.94, 2: 0.95}, **rates)
    other_rate, other_epochs = plain
    first, second, use, *_, step = verdict(attack, other_rate).lines()
    assert first == "Not tested at equal cost: plain training did not run with its learning_rate."
    assert second == "Not tested at equal epochs: plain training did not run with its learning_rate."
    assert use.endswith(
        "plain training did not run with its learning_rate, so there is nothing to compare it with."
    )
    assert "in one more stage: `- {name: confirm" in step
    assert "with its epochs" in verdict(attack, other_epochs).lines()[1]
    both = verdict(attack, *plain).lines()
    assert "plain training did not run with its epochs and learning_rate" in both[1]
    shared = way("baseline", [0.9, 0.91, 0.92], **rates)
    assert "did not run with" not in " ".join(verdict(attack, shared, *plain).lines())
