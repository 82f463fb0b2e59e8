"""The front of planted results: who is on it, who is best, and what the report and the terminal say."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.document import Figure, Table
from analysis.questions.front import front
from analysis.questions.verdict import verdicts
from analysis.records import Records
from analysis.sections.front import front_lines, section
from tests.analysis import synthetic

ROBUST = "pgd-20_0.1_accuracy"
SELECT = {"metrics": ["accuracy", ROBUST, "passes"], "constraints": ["accuracy >= 0.9"]}
EFFECTS = {0.1: (0.0, 0.05), 1.0: (0.02, 0.3), 5.0: (-0.05, 0.6), 9.0: (-0.1, 0.5)}
"""By ε what an attack adds to accuracy and to accuracy under attack; 9 is worse than 5 in both."""


def _records(select: Mapping[str, Any] = SELECT, seeds: int = 4, confirmed: bool = False) -> Records:
    """Attacks of one and of two steps beside plain training of accuracy 0.92 and 0.1 under attack."""
    draw = np.random.default_rng(0)
    rows = []
    settings: list[dict[str, Any]] = [{"method": "standard", "passes": 1}]
    for epsilon, k in itertools.product(EFFECTS, (1, 2)):
        own = {"targets": "input", "epsilon": epsilon, "p": 0.5, "k": k, "passes": k + 1}
        settings.append({"method": "dropattack", **own})
    for stage, seed in [("search", s) for s in range(seeds)] + [
        ("confirm", 9 + s) for s in range(3 * confirmed)
    ]:
        for setting in settings:
            gain, robust = EFFECTS.get(setting.get("epsilon", 0.0), (0.0, 0.0))
            values = 0.92 + gain, 0.1 + robust, 10.0 * setting["passes"]
            noise = draw.normal(0, 0.001, 2)
            metrics = {"accuracy": values[0] + noise[0], ROBUST: values[1] + noise[1], "passes": values[2]}
            row = {"workload": "digits-lenet5", "state": "complete", "stage": stage, "seed": seed, **setting}
            row |= {f"valid_{name}": value for name, value in metrics.items()}
            row |= {f"test_{name}": value - 0.01 * (name != "passes") for name, value in metrics.items()}
            rows.append({**row, "value": metrics[ROBUST], "training.epochs": 10, "epochs": 10})
    frame = pd.DataFrame(rows)
    frame["key"] = [f"key{i:04d}" for i in range(len(frame))]
    stages = [synthetic.stage("search"), synthetic.stage("confirm")]
    sweep = {"name": "several", "stages": stages, "select": dict(select)}
    return synthetic.records(frame, sweep=sweep, select=f"valid_{ROBUST}")


def _epsilons(table: pd.DataFrame) -> set[float]:
    return set(table["epsilon"].fillna(0.0))


def test_the_front_is_what_no_other_configuration_beats_by_brute_force() -> None:
    table = front(_records())
    columns = {"valid_accuracy": 1, f"valid_{ROBUST}": 1, "valid_passes": -1}
    points = [[sign * row[c] for c, sign in columns.items()] for _, row in table.iterrows()]
    free = [
        not any(all(np.array(o) >= p) and any(np.array(o) > p) for o in points) for p in map(np.array, points)
    ]
    assert list(table["rank"] == 0) == free
    assert 0.0 in _epsilons(table[free]), "plain training costs least"
    assert 9.0 not in _epsilons(table[free])
    assert list(table["rank"]) == sorted(table["rank"])
    assert (table["n"] == 4).all()


def test_means_and_intervals_are_those_of_the_seeds() -> None:
    records = _records()
    row = front(records).query("epsilon == 1 and k == 2").iloc[0]
    own = records.trials.query("epsilon == 1 and k == 2")
    for column in ("valid_accuracy", f"test_{ROBUST}"):
        half = 3.182446 * own[column].std() / 2  # of t with 3 degrees of freedom, of 4 seeds
        assert row[column] == pytest.approx(own[column].mean())
        assert (row[f"{column}_low"], row[f"{column}_high"]) == pytest.approx(
            (row[column] - half, row[column] + half)
        )
    assert row["trials"] == sorted(own.index)


@pytest.mark.parametrize(
    ("rule", "best", "keeps"),
    [
        ({"constraints": ["accuracy >= 0.9"]}, 1.0, True),
        ({"constraints": ["accuracy >= 0.8"]}, 5.0, True),
        ({"constraints": ["accuracy >= 0.99"]}, 1.0, False),
        ({"weights": {"accuracy": 1, ROBUST: 0.1, "passes": 0}}, 1.0, True),
        ({"weights": {"accuracy": 1, ROBUST: 1, "passes": 0}}, 5.0, True),
        ({"weights": {"accuracy": 1, ROBUST: 1, "passes": 1}}, 0.0, True),
    ],
    ids=str,
)
def test_the_best_is_that_of_the_rule(rule: dict[str, Any], best: float, keeps: bool) -> None:
    records = _records({"metrics": SELECT["metrics"], **rule})
    if "weights" in rule:
        trials = records.trials
        parts = {"accuracy": 1, ROBUST: 1, "passes": -1}
        score = sum(trials[f"valid_{n}"] * s * rule["weights"][n] for n, s in parts.items())
        trials = trials.assign(value=score, valid_score=score, test_score=score)
        records = synthetic.records(trials, sweep=records.sweep, select="valid_score")
    table = front(records)
    (chosen,) = table[table["best"]].fillna({"epsilon": 0.0})["epsilon"]
    assert chosen == best
    assert table[table["best"]]["keeps"].all() == keeps


def test_the_report_and_the_terminal_say_the_same() -> None:
    records = _records(confirmed=True)
    found = section(records)
    assert found is not None
    figure, table = found.parts
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    assert len(figure.marks) == len(front(records)) == 9
    for mark in figure.marks:
        assert set(records.trials.loc[list(mark.trials), "stage"]) == {"search"}
        assert len(mark.trials) == 4
    figure.draw()
    on_front = int((front(records)["rank"] == 0).sum())
    assert table.shown == on_front
    assert f"{on_front} of 9 configurations are on the front" in found.findings[0]
    rule = f"Best by the sweep's rule, largest {ROBUST} with accuracy of at least 0.9"
    assert found.findings[1].startswith(rule)
    lines = front_lines(records)["digits-lenet5"]
    assert len(lines) == on_front + 2
    (best,) = [line for line in lines[1:-1] if line.startswith("*")]
    assert best[2:].partition(":")[0] in found.findings[1]
    assert lines[-1] == f"* {rule}"
    tested = {row["point"]: row["tested"] for row in table.visible()}
    assert set(tested.values()) == {"fresh seeds"}


@pytest.mark.parametrize("robust", [0.1, -0.1])
def test_plain_training_that_only_a_confirmation_ran_is_told_beside_the_front(robust: float) -> None:
    """It is what the verdict compares with, and what it may recommend."""
    records = _records(
        {**SELECT, "metrics": ["accuracy", ROBUST], "constraints": ["accuracy >= 0.8"]}, 4, True
    )
    plain = records.trials["method"] == "standard"
    trials = records.trials[~plain | (records.trials["stage"] == "confirm")].reset_index(drop=True)
    plain = trials["method"] == "standard"
    trials[f"valid_{ROBUST}"] += 10 * robust * plain
    records = synthetic.records(trials, sweep=records.sweep, select=records.select)
    table = front(records)
    (row,) = table[table["plain"]].to_dict("records")
    assert len(table) == 9
    assert (row["n"], row["searched"], row["fresh"]) == (3, False, True)
    for column in ("valid_accuracy", f"valid_{ROBUST}", f"test_{ROBUST}"):
        assert row[column] == pytest.approx(trials.loc[plain, column].mean())
    on_front = robust > 0
    assert (row["rank"] == 0) == on_front
    (line,) = [line for line in front_lines(records)["digits-lenet5"] if "standard" in line]
    assert "n = 3 fresh seeds: " in line
    assert line.endswith(", which is not on the front") != on_front
    found = section(records)
    assert found is not None
    for part in found.parts:
        assert "Plain training, which no stage searched, is by its fresh seeds." in str(part)
    whole = section(_records(confirmed=True))
    assert whole is not None
    assert not any("which no stage searched" in str(part) for part in whole.parts)


def test_what_keeps_to_the_constraints_is_recommended_where_plain_training_does_not() -> None:
    """Plain training has 0.92; attacks of ε 1 have 0.94, and more under attack as well."""
    (verdict,) = verdicts(_records({**SELECT, "constraints": ["accuracy >= 0.93"]}))
    assert verdict.chosen is not None
    assert "ε\N{NO-BREAK SPACE}1" in verdict.chosen.configuration
    assert "keeps to the constraints, and plain training does not" in verdict.lines()[2]
    (loose,) = verdicts(_records({**SELECT, "constraints": ["accuracy >= 0.8"]}))
    assert loose.chosen is not None
    assert "ε\N{NO-BREAK SPACE}5" in loose.chosen.configuration


def test_what_lacks_a_bound_metric_on_a_seed_does_not_keep_to_the_constraint() -> None:
    """As `analysis.choice.Choice` has it: what is not known keeps to nothing."""
    records = _records()
    lacking = (records.trials["epsilon"] == 1.0) & (records.trials["seed"] == 0)
    trials = records.trials.assign(valid_accuracy=records.trials["valid_accuracy"].mask(lacking))
    table = front(replace(records, trials=trials))
    assert not table.loc[table["epsilon"] == 1.0, "keeps"].any()
    assert not table.loc[table["epsilon"] == 1.0, "best"].any()


def test_one_metric_has_no_front() -> None:
    records = synthetic.records(synthetic.trials(seeds=range(2), epsilons=(1,)))
    assert front(records).empty
    assert front_lines(records) == {}
    assert section(records) is None
