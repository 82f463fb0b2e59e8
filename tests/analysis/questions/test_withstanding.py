"""What the answer says of attacks: numbers by hand, masked gradients left out."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.questions.telling import withstood_text
from analysis.questions.verdict import verdicts
from analysis.questions.withstanding import withstood
from analysis.records import Records

ATTACK = "test_pgd-20_0.3_accuracy"
SMALL = "test_pgd-20_0.1_accuracy"


def attacked(left: dict[str, list[float]], **changes: object) -> Records:
    """Methods that keep so much under PGD of 0.3, one value a seed, and all .97 under PGD of 0.1."""
    rows = [
        {
            "key": f"{method}{seed}",
            "sweep": "s",
            "stage": "grid",
            "state": "complete",
            "workload": "mnist-lenet5",
            "method": method,
            "seed": seed,
            "passes": 1 if method == "standard" else 8,
            "value": 0.98,
            "training.epochs": 3,
            "test_accuracy": 0.98,
            SMALL: 0.97,
            ATTACK: value,
            "test_zero_gradient": 0.0,
            **changes,
        }
        for method, values in left.items()
        for seed, value in enumerate(values)
    ]
    return Records(pd.DataFrame(rows), sweep={"name": "s"})


PLAIN = [0.10, 0.14, 0.12]
TRADES = [0.90, 0.91, 0.95]


def test_the_answer_names_what_keeps_most_where_methods_differ_most() -> None:
    records = attacked({"standard": PLAIN, "pgd": [0.5, 0.6, 0.7], "trades": TRADES})
    (verdict,) = verdicts(records)
    found = verdict.withstood
    assert found is not None
    assert found.most is not None
    assert (found.attack, found.epsilon, found.most.name) == ("pgd-20", 0.3, "trades")
    gains = np.subtract(TRADES, PLAIN)
    low, high = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    assert (found.gain.gain, found.gain.low, found.gain.high) == pytest.approx((gains.mean(), low, high))
    line = dict(verdict.headed_lines())["Under attack"]
    assert line.startswith("Under attack: pgd-20 at ε 0.3 leaves trades 92.00 [")
    assert "plain training 12.00 [" in line
    assert "points over plain training (n = 3 seeds)" in line
    assert "luck" not in line
    assert dict(verdict.headed_lines())["What to use"].startswith(
        "Use plain training, 1 pass a step, for clean accuracy: "
    )
    assert verdict.to_dict()["under_attack"]["most"]["mean"] == pytest.approx(0.92)


def test_a_gain_that_may_be_luck_is_called_so() -> None:
    records = attacked({"standard": [0.1, 0.5, 0.3], "trades": [0.6, 0.4, 0.35]})
    assert ", which may be luck" in withstood_text(withstood(records)["mnist-lenet5"])


def test_plain_training_may_keep_most() -> None:
    found = withstood(attacked({"standard": TRADES, "pgd": PLAIN}))["mnist-lenet5"]
    assert withstood_text(found).startswith("Under attack: pgd-20 at ε 0.3 leaves plain training 92.00 [")
    assert withstood_text(found).endswith("] %, the most.")


def test_what_looks_masked_is_left_out_and_named() -> None:
    """Inputs of the first method have no gradient, so nothing that follows one can attack it."""
    records = attacked({"standard": PLAIN, "fgsm": [0.97] * 3, "trades": TRADES})
    blind = records.trials["method"] == "fgsm"
    records.trials.loc[blind, "test_zero_gradient"] = 0.9
    found = withstood(records)["mnist-lenet5"]
    assert found.most is not None
    assert found.most.name == "trades"
    assert found.masked == ("fgsm",)
    assert "fgsm left out, as gradients look masked" in withstood_text(found)
    records.trials["test_zero_gradient"] = 0.9
    found = withstood(records)["mnist-lenet5"]
    assert withstood_text(found).endswith("no number to believe: all gradients look masked.")


def test_what_looks_masked_does_not_choose_the_epsilon() -> None:
    """FGSM, which is masked, differs most at ε .3; of the others TRADES does at .1."""
    records = attacked({"standard": [0.10, 0.12, 0.11], "fgsm": [0.97] * 3, "trades": [0.11, 0.12, 0.12]})
    trials = records.trials
    trials.loc[trials["method"] == "fgsm", "test_zero_gradient"] = 0.9
    trials.loc[trials["method"] == "standard", SMALL] = 0.4
    found = withstood(records)["mnist-lenet5"]
    assert (found.attack, found.epsilon) == ("pgd-20", 0.1)
    assert found.gain.gain == pytest.approx(0.57)


def test_plain_training_that_looks_masked_is_no_yardstick() -> None:
    records = attacked({"standard": PLAIN, "trades": TRADES})
    records.trials.loc[records.trials["method"] == "standard", "test_zero_gradient"] = 0.9
    text = withstood_text(withstood(records)["mnist-lenet5"])
    assert text.startswith("Under attack: pgd-20 at ε 0.3 leaves trades 92.00 [")
    assert text.endswith("the most; plain training left out, as gradients look masked.")
    assert "over plain training" not in text


def test_without_attacks_the_answer_says_nothing_of_them() -> None:
    nothing = attacked({"standard": PLAIN, "pgd": TRADES}, **{ATTACK: np.nan, SMALL: np.nan})
    (verdict,) = verdicts(nothing)
    assert verdict.withstood is None
    assert "Under attack" not in dict(verdict.headed_lines())
    assert "for clean accuracy" not in " ".join(verdict.lines())
    assert verdict.to_dict()["under_attack"] is None
