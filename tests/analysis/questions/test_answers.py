"""When a difference helps, harms, does not matter, or is not known."""

import math

import numpy as np
import pytest

from analysis.questions.answers import Effect, Outcome, Scale, answer
from tests.analysis.ways import around, lost, verdict, way


def effect(gain: float, half: float, n: int = 10, p: float = 0.5) -> Effect:
    return Effect(n, gain, gain - half, gain + half, 0.01, p)


def test_a_baseline_that_is_missing_for_some_seeds_pairs_those_it_has() -> None:
    """At equal cost nothing needs the baseline; at equal epochs its own seeds alone count."""
    attacked, plain = around(0.92), around(0.90)
    found = verdict(
        way("baseline", {s: plain[s] for s in (1, 3, 4)}),
        way("attack", attacked),
        way("equal-passes", plain),
    )
    assert found.equal_cost.effect.n == 6
    assert found.equal_epochs.effect.n == 3
    by_hand = np.mean([attacked[s] - plain[s] for s in (1, 3, 4)])
    assert found.equal_epochs.effect.gain == pytest.approx(by_hand)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_metric_says_which_way_is_up(mode: str) -> None:
    """A loss that falls helps, by as much as a score that rises."""
    sign = 1 if mode == "max" else -1
    shifts = {"baseline": 0.0, "attack": sign * 0.1, "equal-passes": 0.0}
    frames = [way(name, around(2.0 + shift)) for name, shift in shifts.items()]
    column = {"min": "test_rmse", "max": "test_profit"}[mode]
    frames = [frame.rename(columns={"test_accuracy": column}) for frame in frames]
    found = verdict(*frames, select=column.replace("test", "valid"), mode=mode)
    assert found.equal_cost.outcome is found.equal_epochs.outcome is Outcome.HELPS
    assert found.equal_cost.effect.gain == pytest.approx(0.1, abs=0.01)
    assert found.lines()[0].startswith("At equal cost dropattack helps: +0.")


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (effect(0.0, 0.0019), Outcome.ALIKE),
        (effect(0.001, 0.0009, p=0.01), Outcome.ALIKE),
        (effect(0.001, 0.0011), Outcome.UNDECIDED),
        (effect(0.003, 0.0011, p=0.01), Outcome.HELPS),
        (effect(-0.003, 0.0011, p=0.01), Outcome.HARMS),
        (effect(0.003, 0.0029, p=0.06), Outcome.UNDECIDED),
        (Effect(2, 0.05, math.nan, math.nan, 0.001, math.nan), Outcome.UNDECIDED),
        (Effect(0, math.nan, math.nan, math.nan, math.nan, math.nan), Outcome.UNTESTED),
    ],
)
def test_the_margin_of_shares_is_a_fifth_of_a_point(found: Effect, outcome: Outcome) -> None:
    assert answer(found, Scale(0.002)).outcome is outcome


@pytest.mark.parametrize(("examples", "outcome"), [(114, Outcome.UNDECIDED), (10_000, Outcome.ALIKE)])
def test_equal_values_say_what_the_test_split_can_resolve(examples: int, outcome: Outcome) -> None:
    """Of 114 rows one is .88 points, more than what matters; of 10,000 it is .01."""
    same = around(0.9)
    names = ("baseline", "attack", "equal-passes")
    found = verdict(*(way(name, same, test_examples=examples) for name in names))
    assert found.equal_cost.outcome is outcome
    first = found.lines()[0]
    assert ("114 test examples cannot show less than 0.88 points" in first) == (outcome is Outcome.UNDECIDED)


def test_five_short_lines_without_a_minus_zero() -> None:
    nothing = [way("baseline", around(0.9)), way("attack", around(0.9 - 1e-7))]
    for frames in (lost(-0.013), lost(0.00001), nothing):
        lines = verdict(*frames).lines()
        assert len(lines) == 5
        assert all(len(line) < 260 for line in lines)
        assert not any("−0.00" in line or "nan" in line or "+0.00 " in line for line in lines)


@pytest.mark.parametrize(
    ("apart", "spread", "begins"),
    [
        (0.001, 0.01, "Layers: no difference is shown among 3 target sets; fc1.w leads (+0."),
        (0.03, 0.003, "Layers: fc1.w (+6."),
    ],
)
def test_layers_are_told_apart_where_noise_is_less_than_what_they_differ_by(
    apart: float, spread: float, begins: str
) -> None:
    layers = [
        way("attack", around(0.9 + apart * i, spread), targets=targets)
        for i, targets in enumerate(("input", "conv1.w", "fc1.w"))
    ]
    told = verdict(way("baseline", around(0.9)), *layers).lines()[3]
    assert told.startswith(begins)
    assert told.endswith("is better than all 2 others." if apart > spread else " points).")
