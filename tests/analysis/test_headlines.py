"""What reports say first: never a number alone, never more certain than the numbers are."""

from dataclasses import replace

import pandas as pd
import pytest

from analysis.document import Table
from analysis.questions.importance import importances
from analysis.questions.layers import rank_target_sets, scored_target_sets
from analysis.sections import controls, importance, layers, overview
from tests.analysis import synthetic
from tests.analysis.ways import around, records, way


@pytest.mark.parametrize(("effect", "apart"), [(0.0, False), (0.05, True)])
def test_importances_are_told_with_their_ranges(effect: float, apart: bool) -> None:
    frame = synthetic.trials(
        effect=lambda targets, epsilon, p, k: effect * (epsilon > 0.5),
        epsilons=[0.1, 0.2, 1, 2],
        noise=0.001,
    )
    records = synthetic.records(frame)
    (told,) = importance.section(records).findings
    table, overlaps = importances(records), 0
    for _, found in table.groupby("evaluator"):
        first, second = found.sort_values("importance", ascending=False).head(2).to_dict("records")
        ends = ", ".join(f"{100 * first[end]:.0f}" for end in ("low", "high"))
        known = f" [{ends}] %" if first["low"] == first["low"] else " %, too few for an interval"
        assert f"{first['hyperparameter']} matters most ({100 * first['importance']:.0f}{known})" in told
        overlaps += not first["low"] > second["high"]
    assert told.count("does not stand out: ranges overlap") == overlaps
    assert (overlaps < 2) == apart, "what the sentences must say"


def test_searched_and_fresh_seeds_are_not_added_up() -> None:
    """2 searched and 3 fresh seeds: no test pairs more than 3, and 3 pairs cannot go below 2/2³."""
    searched = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.5], seeds=range(2))
    fresh = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=range(7, 10), stage="confirm")
    notes = overview.section(synthetic.records(pd.concat([searched, fresh]))).notes
    assert [note for note in notes if "With at most 3 paired seeds" in note and "p below 0.25" in note]


def test_six_pairs_need_no_caution() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1], ps=[0.5], seeds=range(6))
    assert overview.section(synthetic.records(frame)).notes == []


def test_the_leading_layer_has_its_interval_and_no_true_gain() -> None:
    """Several layers without an effect: the largest gain is luck, and so are the seeds that it asks for."""
    frame = synthetic.trials(
        targets=["input", "conv1.w", "fc1.w"], epsilons=[1], ps=[0.5], effect=synthetic.no_effect
    )
    records = synthetic.records(frame)
    (told,) = layers.section(records).findings
    best = rank_target_sets(scored_target_sets(records, records.reported)).iloc[0]
    ends = ", ".join(f"{100 * best[end]:+.2f}" for end in ("gain_low", "gain_high")).replace("-", "−")
    assert f"{best['targets']} leads with {100 * best['gain']:+.2f} [{ends}], but does not stand out" in told
    assert (
        f"about {best['needed']:.0f} seeds would show a true gain of this size (the largest of 3 gains"
        in told
    )


def test_a_layer_that_stands_out_is_not_said_not_to() -> None:
    frame = synthetic.trials(targets=["input", "conv1.w"], epsilons=[5], ps=[0.6])
    (told,) = layers.section(synthetic.records(frame)).findings
    assert "2 of 2 target sets beat the baseline" in told
    assert "stand out" not in told
    (told,) = layers.section(synthetic.records(frame[frame["targets"] != "conv1.w"])).findings
    assert "input beats the baseline significantly in test accuracy with 5 seeds: +2." in told


@pytest.mark.parametrize(("method", "passes", "costs_more"), [("dropattack", 2.0, True), ("apb", 1.0, False)])
def test_only_of_methods_that_cost_more_a_control_of_as_many_passes_is_missed(
    method: str, passes: float, costs_more: bool
) -> None:
    found = records(way("baseline", around(0.90)), way("attack", around(0.91), method=method, passes=passes))
    section = controls.section(found)
    assert section is not None
    notes = " ".join(section.notes)
    assert "p-one" in notes
    assert ("equal-passes" in notes) == costs_more
    assert ("attacks cost more passes than standard training" in notes) == costs_more


@pytest.mark.parametrize("shared", [False, True])
def test_draws_of_which_none_shares_a_setting_with_plain_training_fill_no_table(shared: bool) -> None:
    """Each way to train drew a learning rate of its own; a control of one draw has something to say again."""
    draws = [{"epsilon": epsilon, "training.lr": epsilon / 1000} for epsilon in (1.0, 2.0, 3.0)]
    drawn = [way("attack", around(0.91), **settings) for settings in draws]
    twin = [way("attack", around(0.90), control="eps-zero", **draws[0])] if shared else []
    found = records(way("baseline", around(0.90), **{"training.lr": 0.01}), *drawn, *twin)
    section = controls.section(
        replace(found, sweep=found.sweep | {"training": {"lr": {"low": 0.0, "high": 1}}})
    )
    assert section is not None
    assert [part.name for part in section.parts if isinstance(part, Table)] == ["methods"] * shared
    assert any("gains are unknown" in told for told in section.findings)
