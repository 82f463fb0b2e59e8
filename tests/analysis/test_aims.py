"""Which configuration is best by a rule of several aims, worked out by hand."""

from typing import Any

import pytest

from analysis.aims import Constraint, Goal, Rule, shortfall
from analysis.choice import Choice

ROBUST = "pgd-20_0.1_accuracy"
METRICS = ["accuracy", ROBUST, "passes"]
VALUES: dict[str, dict[str, float | None]] = {
    "plain": {"accuracy": 0.98, ROBUST: 0.30, "passes": 10.0},
    "robust": {"accuracy": 0.96, ROBUST: 0.70, "passes": 60.0},
    "middle": {"accuracy": 0.976, ROBUST: 0.50, "passes": 20.0},
    "dear": {"accuracy": 0.975, ROBUST: 0.55, "passes": 80.0},
}


def _weights(accuracy: float, robust: float, passes: float, *constraints: str) -> dict[str, Any]:
    weights = {"accuracy": accuracy, ROBUST: robust, "passes": passes}
    return {"weights": weights, "constraints": list(constraints)}


@pytest.mark.parametrize(
    ("select", "best"),
    [
        # the first metric that no constraint is on decides
        ({"constraints": ["accuracy >= 0.97"]}, "dear"),
        ({"constraints": ["accuracy >= 0.5"]}, "robust"),
        ({"constraints": ["accuracy >= 0.97", "passes <= 50"]}, "middle"),
        ({"constraints": ["passes <= 30"]}, "plain"),
        ({"constraints": ["accuracy >= 0.97", f"{ROBUST} >= 0.4"]}, "middle"),
        # all are bound, so that the first one decides
        ({"constraints": ["accuracy >= 0.9", f"{ROBUST} >= 0.5", "passes <= 100"]}, "middle"),
        # nothing keeps to it: plain lacks 0.01, and whatever lacks more comes after it
        ({"constraints": ["accuracy >= 0.99"]}, "plain"),
        # sums of 1.28, 1.66, 1.476 and 1.525
        (_weights(1, 1, 0), "robust"),
        # of 1.18, 1.06, 1.276 and 0.725
        (_weights(1, 1, 0.01), "middle"),
        # of 1.58 and 1.976, the others being beyond the constraint
        (_weights(1, 2, 0, "passes <= 30"), "middle"),
    ],
)
def test_the_best_by_hand(select: dict[str, Any], best: str) -> None:
    rule, choice = Rule.of({"metrics": METRICS, **select}), Choice()
    for name, values in VALUES.items():
        value = rule.value(values)
        assert value is not None
        choice.add(name, 0, name, rule.decides.sign * value, rule.margins(values), fresh=False)
    assert choice.best == best


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ({"constraints": ["accuracy >= 0.97"]}, f"largest {ROBUST} with accuracy of at least 0.97"),
        (
            {"constraints": ["accuracy >= 0.97", f"{ROBUST} >= 0.4"]},
            f"smallest passes with accuracy of at least 0.97 and {ROBUST} of at least 0.4",
        ),
        (_weights(1, 2, 0.5), f"largest 1 · accuracy +2 · {ROBUST} \N{MINUS SIGN}0.5 · passes"),
        (_weights(1, 0, 0, "passes <= 30"), "largest 1 · accuracy with passes of at most 30"),
    ],
)
def test_the_rule_in_words(select: dict[str, Any], words: str) -> None:
    assert str(Rule.of({"metrics": METRICS, **select})) == words


def test_constraints_hold_for_means_over_seeds() -> None:
    """0.96 and 0.98 keep to 0.97 on average, 0.99 and 0.94 do not."""
    rule, choice = Rule.of({"metrics": METRICS[:2], "constraints": ["accuracy >= 0.97"]}), Choice()
    for name, accuracies, robust in (("keeps", (0.96, 0.98), 0.1), ("beyond", (0.99, 0.94), 0.9)):
        for seed, accuracy in enumerate(accuracies):
            margins = rule.margins({"accuracy": accuracy, ROBUST: robust})
            choice.add(name, seed, f"{name}{seed}", robust, margins, fresh=False)
    assert choice.order() == ["keeps", "beyond"]
    assert choice.standing("keeps").beyond == 0
    assert choice.standing("beyond").beyond == pytest.approx(0.005 / 0.97)


@pytest.mark.parametrize("bound", [0.9, 0.93, 0.95, 0.97, 0.99])
def test_a_mean_at_the_bound_keeps_to_it_however_its_seeds_lie(bound: float) -> None:
    constraint = Constraint("accuracy", ">=", bound)
    for thousandths in range(1, 60):
        seeds = (round(bound - thousandths / 1000, 6), round(bound + thousandths / 1000, 6))
        margins = [constraint.margin(value) for value in seeds]
        assert shortfall([sum(margins) / 2]) == 0, seeds
    assert shortfall([constraint.margin(bound - 1e-6)]) > 0


def test_a_metric_that_was_not_measured_keeps_to_nothing() -> None:
    rule = Rule.of({"metrics": METRICS, "constraints": ["passes <= 30"]})
    assert shortfall(rule.margins({"accuracy": 0.9})) == float("inf")
    assert rule.point({"accuracy": 0.9}) is None
    assert rule.point({"accuracy": 0.9, ROBUST: 0.2, "passes": 4.0}) == (0.9, 0.2, -4.0)
    weighted = Rule.of({"metrics": METRICS, **_weights(1, 0, 1)})
    assert weighted.value({"accuracy": 0.9}) is None
    assert weighted.value({"accuracy": 0.9, "passes": 2.0}) == pytest.approx(-1.1)


def test_one_metric_is_a_rule_of_its_own() -> None:
    rule = Rule.of({"metric": "loss"})
    assert (rule.several, rule.decides, str(rule)) == (False, Goal("loss", -1), "smallest loss")


@pytest.mark.parametrize(
    "text", ["accuracy", "accuracy > 0.9", "accuracy == 1", "0.9 <= accuracy", "loss <= x", "loss <= nan", ""]
)
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no comparison; write a metric, >= or <=, and a number"):
        Constraint.parse(text)
