"""Doubts about plain training itself: it learns nothing, or it is not done."""

import numpy as np
import pandas as pd
import pytest

from analysis.questions.doubts import doubts
from analysis.questions.verdict import verdicts
from analysis.records import Records
from tests.analysis.ways import around, records, way


def _with_curves(frames: list[pd.DataFrame], rise: float, epochs: int = 20) -> Records:
    """Trainings whose validation accuracy rises by so much in each epoch up to its last value."""
    made = records(*frames)
    trials = made.trials.assign(epochs=float(epochs))
    curves = [
        {"key": row["key"], "epoch": epoch, "valid_accuracy": row["value"] - rise * (epochs - epoch)}
        for row in trials.to_dict("records")
        for epoch in range(1, epochs + 1)
    ]
    return Records(trials, pd.DataFrame(curves), sweep=made.sweep)


def _plain(spread: float, n: int = 5) -> list[pd.DataFrame]:
    return [way("baseline", around(0.9, spread, n)), way("attack", around(0.91, spread, n))]


@pytest.mark.parametrize(
    ("rise", "spread", "told"), [(0.01, 0.001, True), (0.01, 0.2, False), (0.0, 0.001, False)]
)
def test_training_that_still_improves_by_more_than_a_seed_changes_it_is_not_done(
    rise: float, spread: float, told: bool
) -> None:
    found = doubts(_with_curves(_plain(spread), rise))
    assert bool(found) == told
    if told:
        values = np.asarray(list(around(0.9, spread, 5)))
        assert "validation accuracy rose by 2.00 points in the last 2 epochs" in found["w"]
        assert f"standard deviation is {100 * values.std(ddof=1):.2f}" in found["w"]


def test_two_seeds_tell_nothing_of_their_spread() -> None:
    assert doubts(_with_curves(_plain(0.001, n=2), 0.01)) == {}


def test_a_model_that_predicts_no_better_than_the_mean_is_named_in_the_answer() -> None:
    """R2 of 0 is what the mean of the labels reaches; stated or not, it is measured."""
    for r2, told in ((-4.5, True), (0.0, True), (0.3, False)):
        made = records(*(frame.assign(test_r2=r2) for frame in _plain(0.001)))
        (verdict,) = verdicts(made)
        lines = dict(verdict.headed_lines())
        assert ("no better than the mean of the labels" in lines.get("Doubt", "")) == told
        assert list(lines)[-1] == "Next"
        assert not told or "nothing more is needed" not in lines["Next"]
        assert verdict.to_dict()["doubt"] == verdict.doubt


def test_an_answer_that_is_doubtful_has_the_doubt_as_its_next_step() -> None:
    gains = {"baseline": 0.0, "attack": 0.05, "equal-passes": 0.0}
    frames = [way(name, around(0.8 + gain, 0.001)) for name, gain in gains.items()]
    for r2, step in ((0.3, "nothing more is needed"), (-0.3, "let plain training learn first")):
        (verdict,) = verdicts(records(*(frame.assign(test_r2=r2) for frame in frames)))
        assert verdict.equal_cost.decided
        assert verdict.next.text.startswith(step)
