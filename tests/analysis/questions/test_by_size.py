"""Answers of sweeps over the number of training examples, from planted results."""

import math

import pandas as pd
import pytest

from analysis.questions.answers import NO_EFFECT, Effect
from analysis.questions.by_size import OnExamples, sizes_text
from analysis.questions.selection import optimism
from analysis.questions.verdict import Verdict
from analysis.records import SIZE, Metric
from tests.analysis.ways import around, records, verdict, way

SHIFTS = {100: 0.02, 1000: -0.03, 0: 0.01}
"""Planted gains by what `training.train_size` says; 0 is the whole split."""


def frames(shifts: dict[int, float], n: int = 6, **changes: float) -> list[pd.DataFrame]:
    """Plain training and the attack on each number of examples; fewer of them score better by luck."""
    found = []
    for place, (size, shift) in enumerate(shifts.items()):
        level = 0.9 - 0.1 * place
        for name, mean in (("baseline", level), ("attack", level + shift)):
            found.append(way(name, around(mean, n=n), **{SIZE: float(size)}, **changes))
            found[-1]["key"] = f"{size}/" + found[-1]["key"]
    return found


def headed(found: Verdict) -> dict[str, str]:
    return dict(found.headed_lines())


def test_the_answer_is_of_the_most_examples_and_the_others_are_told() -> None:
    found = verdict(*frames(SHIFTS))
    assert found.examples == math.inf
    assert found.equal_epochs.effect.gain == pytest.approx(0.01)
    gains = {each.examples: each.over_baseline.gain for each in found.other_sizes}
    assert gains == pytest.approx({100.0: 0.02, 1000.0: -0.03})
    assert headed(found)["Examples"] == (
        "Examples: this answer is of training on all. Over plain training the method gains +2.00 points "
        "on 100, −3.00 on 1,000: all are significant."
    )
    assert [each["examples"] for each in found.to_dict()["other_sizes"]] == [100.0, 1000.0]


def test_it_is_said_which_numbers_of_examples_are_significant() -> None:
    line = headed(verdict(*frames({100: 0.0, 1000: 0.03, 2500: 0.01})))["Examples"]
    assert line.startswith("Examples: this answer is of training on 2,500.")
    assert line.endswith("+3.00 on 1,000: significant on 1,000.")
    line = headed(verdict(*frames({100: 0.04, 2500: 0.01}, n=2)))["Examples"]
    assert line.endswith("+4.00 points on 100: none of these is told from luck.")


def test_one_number_of_examples_needs_no_sentence() -> None:
    assert "Examples" not in headed(verdict(*frames({1000: 0.01})))


def test_where_plain_training_lacks_a_size_it_is_not_told() -> None:
    small, attack, *rest = frames({100: 0.02, 1000: 0.01})
    assert small["method"].iloc[0] == "standard"
    line = headed(verdict(attack, *rest))["Examples"]
    assert line == (
        "Examples: this answer is of training on 1,000; on other numbers of examples there is no pair with "
        "plain training."
    )


def test_what_is_told_of_several_sizes_is_corrected_over_them() -> None:
    """Of twenty sizes without any effect one alone has p < 0.05 by luck; Holm's method says so."""
    found = [OnExamples(100.0 + i, Effect(6, 0.01, 0.0, 0.02, 0.01, 0.04 if i else 0.004)) for i in range(9)]
    metric = Metric("test_accuracy", larger_is_better=True)
    assert sizes_text(found, 1000.0, metric, on_fresh=False).endswith("+1.00 on 108: significant on 100.")


def test_how_the_others_are_scored_and_what_has_no_pair_is_said() -> None:
    known = Effect(2, 0.01, math.nan, math.nan, math.nan, math.nan, scored_on="other seeds")
    metric = Metric("test_accuracy", larger_is_better=True)
    found = [OnExamples(100.0, known), OnExamples(200.0, NO_EFFECT)]
    assert sizes_text(found, math.inf, metric, on_fresh=True).endswith(
        "gains, on seeds that were searched, +1.00 points on 100: none of these is told from luck. "
        "On 200 there is no pair with plain training."
    )


def test_other_settings_of_training_are_no_other_size() -> None:
    """1,000 examples for 5 epochs beside 500 and 2,500 for 10: only 500 differs in its size alone."""
    shorter = frames({1000: 0.02}, **{"training.epochs": 5.0})
    found = verdict(*shorter, *frames({500: 0.03, 2500: 0.01}, **{"training.epochs": 10.0}))
    assert found.examples == 2500
    assert [each.examples for each in found.other_sizes] == [500]


def test_the_choice_is_one_of_as_many_as_trained_on_its_examples() -> None:
    several = [frame for epsilon in (1.0, 2.0) for frame in frames({100: 0.02, 1000: 0.01}, epsilon=epsilon)]
    attacks = [frame for frame in several if frame["method"].iloc[0] == "dropattack"]
    plain = [frame for frame in frames({100: 0.0, 1000: 0.0}) if frame["method"].iloc[0] == "standard"]
    found = verdict(*plain, *attacks)
    assert found.chosen is not None
    assert found.chosen.candidates == 2
    table = optimism(records(*plain, *attacks))
    assert table["candidates"].tolist() == [2]
    assert "train_size" not in table["configuration"].item()
