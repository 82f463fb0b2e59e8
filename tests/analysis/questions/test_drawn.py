"""A search that draws the learning rate beside ε, p and the layers: its trials are one picture."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.questions.layers import rank_target_sets, scored_target_sets
from analysis.questions.sensitivity import epsilon_p_cells, marginal
from analysis.questions.surrogate import surrogates
from analysis.questions.verdict import verdicts
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


LRS = {"learning_rate": RANGE}
SEARCH = {"name": "search", "search": {"kind": "random", "trials": 9}}
GRID = {"name": "grid", "search": "grid"}


@pytest.mark.parametrize(
    ("sweep", "stages", "found"),
    [
        ({"stages": [SEARCH]}, ["search"], []),
        ({"stages": [SEARCH], "training": {"learning_rate": [0.1, 0.2]}}, ["search"], []),
        ({"stages": [SEARCH], "training": LRS}, ["search"], [LR]),
        ({"stages": [SEARCH | {"training": LRS}], "training": {"learning_rate": 0.1}}, ["search"], [LR]),
        ({"stages": [SEARCH | {"training": {"learning_rate": 0.1}}], "training": LRS}, ["search"], []),
        (
            {"stages": [SEARCH], "model": {"dropout": RANGE}, "training": LRS},
            ["search"],
            ["model.dropout", LR],
        ),
        ({"stages": [SEARCH, GRID], "training": LRS}, ["search", "grid"], []),
        ({"stages": [SEARCH, GRID], "training": LRS}, ["search"], [LR]),
        ({"stages": [GRID], "training": {"learning_rate": RANGE | {"step": 0.01}}}, ["grid"], []),
        ({"stages": [SEARCH | {"training": LRS}, SEARCH | {"name": "b"}]}, ["search", "b"], []),
        ({"stages": [SEARCH], "training": {"train_size": RANGE}}, ["search"], []),
        ({"stages": [SEARCH], "training": LRS}, ["search", "of an earlier version"], []),
        ({"stages": [SEARCH], "training": LRS}, [], []),
        ({}, ["search"], []),
    ],
    ids=map(str, range(14)),
)
def test_what_every_search_draws_from_a_range_is_drawn(
    sweep: dict[str, Any], stages: list[str], found: list[str]
) -> None:
    assert drawn_settings(sweep, stages) == found


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
    assert "pool what the search drew for the training: learning rate. They have no" in section.notes[0]
    assert not any("gain" in part.name for part in section.parts)


def test_layers_are_ranked_over_all_learning_rates() -> None:
    """By validation and without gains, since no plain training has an attack's learning rate."""
    records = searched()
    ranked = rank_target_sets(scored_target_sets(records, records.reported))
    assert list(zip(ranked["targets"], ranked["rank"], strict=True)) == [("fc1.w", 1), ("input", 2)]
    assert ranked["configuration"].str.contains("learning_rate").all()
    assert ranked["gain"].isna().all()
    section = layers.section(records)
    assert section is not None
    (told,) = section.findings
    assert told.startswith("w: no gain over plain training is known; ")
    assert "fc1.w is first of 2 target sets in validation accuracy: 94." in told
    assert len(section.parts) == 1, "no figure of gains"
    assert any("Sets that the search drew more often are tuned better." in note for note in section.notes)


def test_gains_at_two_learning_rates_order_no_layers() -> None:
    """A gains ten points over a bad plain training and B one over a good one: B is the better."""
    rows = []
    for seed in range(6):
        luck = 0.001 * (seed % 3)
        for targets, lr, plain, attack in (("a", 0.1, 0.80, 0.90), ("b", 0.01, 0.94, 0.95)):
            common = {"workload": "w", "stage": "confirm", "state": "complete", LR: lr, "seed": seed}
            rows.append({**common, "method": "standard", "passes": 1.0, "value": plain + luck})
            own = {
                "method": "dropattack",
                "targets": targets,
                "epsilon": 1.0,
                "p": 0.5,
                "k": 1.0,
                "passes": 2.0,
            }
            noise = 0.0005 * ((seed + len(rows)) % 2)
            rows.append({**common, **own, "value": attack + luck + noise})
            rows.append({**common, **own, "stage": "search", "seed": 100, "value": attack})
    frame = pd.DataFrame(rows).assign(key=[f"k{number}" for number in range(len(rows))])
    found = Records(frame, sweep=searched().sweep)
    assert found.drawn == [LR]
    ranked = rank_target_sets(scored_target_sets(found, found.reported))
    assert list(zip(ranked["targets"], ranked["rank"], strict=True)) == [("b", 1), ("a", 2)]
    assert ranked["gain"].isna().all()
    (verdict,) = verdicts(found)
    assert verdict.layers is not None
    assert (verdict.layers.leader, verdict.layers.beaten, verdict.layers.seeds) == ("b", ["a"], 6)
    assert "Layers, each with its own learning rate: b is better than a." in verdict.lines()


def test_one_learning_rate_for_all_keeps_the_gain() -> None:
    """Only one draw was confirmed, with its plain twin."""
    records = searched(confirmed=True)
    table = scored_target_sets(records, records.reported)
    assert table.loc[table["scored_on"] == "fresh seeds", "gain"].isna().all(), "two rates are scored"
    one = replace(records, trials=records.trials[records.trials["targets"] != "fc1.w"])
    (row,) = rank_target_sets(scored_target_sets(one, one.reported)).to_dict("records")
    assert row["gain"] == pytest.approx(0.01)


def test_a_cell_of_several_learning_rates_is_no_cell_of_a_grid() -> None:
    """Lists of ε and p beside a drawn rate: a mean over rates has no interval over seeds to be read by."""
    records = searched()
    trials = records.trials.assign(
        epsilon=records.trials["epsilon"].where(records.trials["epsilon"].isna(), 1.0),
        p=records.trials["p"].gt(0.5).map({True: 0.7, False: 0.3}).where(records.trials["p"].notna()),
    )
    cells = epsilon_p_cells(
        Records(trials.drop(columns=["configuration_id"]), sweep=records.sweep), records.selected
    )
    assert not cells["grid"].any()
    assert cells[LR].isna().all()
