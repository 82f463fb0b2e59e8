"""A search that draws the learning rate beside ε, p and the layers: its trials are one picture."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.questions.layers import rank_target_sets, scored_target_sets
from analysis.questions.sensitivity import epsilon_p_cells, marginal
from analysis.questions.surrogate import surrogates
from analysis.records import Records
from analysis.records.drawn import drawn_settings
from analysis.sections import layers, sensitivity

RANGE = {"low": 0.001, "high": 0.1, "log": True}
LR = "training.learning_rate"


def searched(confirmed: bool = False, **changes: Any) -> Records:
    """Forty draws of two seeds: best at ε 1 and a small p, at any learning rate; one may be confirmed."""
    rng = np.random.default_rng(0)
    plain = {"workload": "w", "stage": "plain", "state": "complete", "method": "standard", "passes": 1.0}
    rows = [{**plain, LR: 0.01, "seed": seed, "value": 0.9, "key": f"plain/{seed}"} for seed in (0, 1)]
    attack = {"workload": "w", "state": "complete", "method": "dropattack", "k": 1.0, "passes": 2.0}
    for draw in range(40):
        own = {"targets": ("input", "fc1.w")[draw % 2], "p": rng.uniform(0.1, 1)}
        own |= {"epsilon": 10 ** rng.uniform(-1, 1), LR: 10 ** rng.uniform(-3, -1)}
        best = 0.95 - 0.03 * np.log10(own["epsilon"]) ** 2 - 0.02 * own["p"]
        for seed in (0, 1):
            value = best - 0.01 * (own["targets"] == "input") + rng.normal(0, 0.001)
            found = {"stage": "search", "seed": seed, "value": value, "key": f"{draw}/{seed}"}
            rows.append(attack | own | found)
        if draw == 0 and confirmed:
            twin = plain | {"stage": "confirm", LR: own[LR], "seed": 7, "value": 0.96, "key": "twin"}
            rows += [twin, attack | own | {"stage": "confirm", "seed": 7, "value": 0.97, "key": "fresh"}]
    search = {"kind": "optuna", "trials": 40}
    stages: list[dict[str, Any]] = [{"name": "plain", "search": "grid"}]
    stages += [{"name": "search", "search": search, "training": {"learning_rate": RANGE}}]
    stages += [{"name": "confirm", "search": {"kind": "confirm", "top": 1, "seeds": [7]}}]
    return Records(pd.DataFrame(rows), sweep={"name": "s", "seeds": [0, 1], "stages": stages, **changes})


@pytest.mark.parametrize(
    ("sweep", "found"),
    [
        ({}, []),
        ({"training": {"learning_rate": 0.1}}, []),
        ({"training": {"learning_rate": [0.1, 0.2]}}, []),
        ({"training": {"learning_rate": RANGE}}, [LR]),
        ({"stages": [{"model": {"dropout": {"low": 0, "high": 0.5}}}]}, ["model.dropout"]),
        ({"stages": [{"methods": {"sam": [{"rho": RANGE, "training": {"learning_rate": RANGE}}]}}]}, [LR]),
        ({"stages": [{"methods": {"sam": [{"rho": RANGE}]}}]}, []),
    ],
    ids=str,
)
def test_what_a_sweep_gives_as_a_range_is_drawn(sweep: dict[str, Any], found: list[str]) -> None:
    assert drawn_settings(sweep) == found


def test_settings_that_no_trial_has_are_not_drawn() -> None:
    records = searched(training={"weight_decay": RANGE})
    assert records.drawn == [LR]
    assert records.settled == []


def test_curves_and_maps_pool_the_learning_rates() -> None:
    records = searched()
    curve = marginal(records, "epsilon", records.selected)
    assert list(curve["name"].unique()) == ["dropattack"]
    assert curve["sampled"].all()
    assert 0.3 < curve.loc[curve["mean"].idxmax(), "value"] < 3
    cells = epsilon_p_cells(records, records.selected)
    assert cells.groupby("panel").size().tolist() == [20, 20], "a panel of each target set"
    assert (cells["n"] == 2).all()
    (fitted,) = surrogates(records, cells, records.selected)
    assert fitted.tells
    assert len(fitted.points) == 80
    best = np.unravel_index(fitted.mean.argmax(), fitted.mean.shape)
    assert 0.3 < fitted.epsilon[best[1]] < 3
    assert fitted.p[best[0]] < 0.4
    section = sensitivity.section(records)
    assert section is not None
    assert "Maps and curves pool what the search drew for the training: learning rate." in section.notes


def test_layers_are_ranked_over_all_learning_rates() -> None:
    """By validation and without gains, since no plain training has an attack's learning rate."""
    records = searched()
    ranked = rank_target_sets(scored_target_sets(records, records.explored))
    assert list(zip(ranked["targets"], ranked["rank"], strict=True)) == [("fc1.w", 1), ("input", 2)]
    assert ranked["configuration"].str.contains("learning_rate").all()
    assert ranked["gain"].isna().all()
    section = layers.section(records)
    assert section is not None
    (told,) = section.findings
    assert told.startswith(
        "w: no plain training shares an attack's settings and seed, so gains are unknown; "
    )
    assert "fc1.w is first of 2 target sets in validation accuracy: 94." in told
    assert len(section.parts) == 1, "no figure of gains"


def test_plain_training_of_the_same_learning_rate_still_gives_a_gain() -> None:
    """Of one confirmed draw: the gain is over its own twin and not over plain training of other rates."""
    records = searched(confirmed=True)
    first = rank_target_sets(scored_target_sets(records, records.explored)).iloc[0]
    assert (first["targets"], first["scored_on"]) == ("input", "fresh seeds")
    assert first["gain"] == pytest.approx(0.01)
