"""What a report calls best is what the search chose."""

import numpy as np
import pandas as pd
import pytest

from analysis.questions.layers import scored_target_sets
from analysis.questions.selection import configurations, optimism
from analysis.questions.verdict import verdicts
from analysis.records import CONFIGURATION
from analysis.sections import selection
from tests.analysis import synthetic


def confirmed(seed: int) -> pd.DataFrame:
    """Three settings without any effect, searched on two seeds and all confirmed on three others."""
    settings = {"targets": ["input"], "epsilons": [1], "ps": [0.3, 0.5, 0.7], "noise": 0.01}
    nothing = synthetic.no_effect
    searched = synthetic.trials(seeds=range(2), effect=nothing, rng_seed=seed, **settings)
    fresh = synthetic.trials(
        seeds=range(100, 103), effect=nothing, stage="confirm", rng_seed=seed + 1000, **settings
    )
    return pd.concat([searched, fresh], ignore_index=True)


def test_fresh_seeds_do_not_choose_what_they_score() -> None:
    for seed in range(12):
        frame = confirmed(seed)
        attacks = frame[(frame["method"] == "dropattack") & (frame["stage"] == "grid")]
        choice = attacks.groupby("p")["value"].mean().idxmax()
        (told,) = selection.best(synthetic.records(frame)).findings
        fresh = frame[(frame["p"] == choice) & (frame["stage"] == "confirm")]["test_accuracy"]
        assert f"p\xa0{choice}" in told
        assert f"{100 * fresh.mean():.2f} [" in told
        assert "n = 3, on fresh seeds" in told


def test_an_unconfirmed_configuration_stands_below_the_confirmed_ones() -> None:
    frame = confirmed(0)
    late = frame[(frame["p"] == 0.3) & (frame["stage"] == "grid")].assign(p=0.9, value=0.999)
    late["key"] = "late" + late["key"]
    table = configurations(synthetic.records(pd.concat([frame, late], ignore_index=True)))
    attacks = table[table["method"] == "dropattack"]
    assert attacks["p"].iloc[-1] == 0.9
    assert attacks["fresh"].tolist() == [True, False] * 3 + [False]


def test_a_baseline_that_validation_prefers_is_named() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1], ps=[0.5], noise=0.0)
    frame["value"] = frame["value"].where(frame["method"] == "standard", 0.1)
    (told,) = selection.best(synthetic.records(frame)).findings
    assert "validation chooses the baseline, and of the attacks dropattack input" in told


def test_learning_curves_are_of_the_best_methods_and_name_the_others() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1], ps=[0.5], noise=0.0)
    attack, parts = frame[frame["method"] == "dropattack"], [frame[frame["method"] == "standard"]]
    for place, method in enumerate(["sam", "fgm", "asam", "awp", "fgsm", "freeat"]):
        own = attack.assign(method=method, key=method + attack["key"])
        parts.append(own.assign(value=own["value"] - 0.01 * place))
    section = selection.learning_section(synthetic.records(pd.concat(parts, ignore_index=True)))
    assert section is not None
    (figure,) = section.parts
    drawn = list(dict.fromkeys(figure.draw.args[0]["configuration"].str.partition(" ")[0]))
    assert drawn == ["standard", "sam", "fgm", "asam", "awp"]
    assert "Left out, because validation ranks them lower: fgsm, freeat." in figure.caption


def test_pruned_configurations_were_tried_too() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 2, 3, 4], ps=[0.5])
    frame.loc[frame["epsilon"] > 2, "state"] = "pruned"
    assert optimism(synthetic.records(frame))["candidates"].item() == 4


def test_a_tie_is_decided_alike_everywhere() -> None:
    """Two settings of equal validation mean: headline, optimism and the layer's score name the same one."""
    for first in (0.3, 0.7):
        frame = confirmed(0)
        frame = frame[frame["p"].isna() | frame["p"].isin([0.3, 0.7])]
        frame["value"] = frame["value"].where(frame["p"].isna(), 0.93)
        frame["key"] = [
            f"{'a' if p == first else 'b'}{key}" for p, key in zip(frame["p"], frame["key"], strict=True)
        ]
        records = synthetic.records(frame)
        (told,) = selection.best(records).findings
        scored = scored_target_sets(records, records.reported)
        assert f"p\xa0{first}" in told
        assert f"p\xa0{first}" in optimism(records)["configuration"].item()
        assert set(scored["p"]) == {first}


def test_where_the_model_is_searched_too_the_page_names_one_winner() -> None:
    """The choice flatters itself over all that was tried, as the search chose among all of it."""
    parts = []
    for place, width in enumerate((16, 32, 64)):
        own = confirmed(place)
        own = own.assign(key=f"{width}-" + own["key"], **{"model.width": width})
        parts.append(own)
    records = synthetic.records(pd.concat(parts, ignore_index=True))
    (found,) = verdicts(records)
    assert found.chosen is not None
    table = optimism(records)
    assert table["candidates"].tolist() == [found.chosen.candidates] == [9]
    name = table["configuration"].item()
    assert all(part in found.chosen.configuration.split(" · ") for part in name.split(" · "))
    (told,) = selection.best(records).findings
    assert all(part in told for part in name.split(" · "))

    attacks = records.exploring()
    by_seed = attacks.pivot_table(index=CONFIGURATION, columns="seed", values="value")
    by_hand = [by_seed.loc[by_seed[1 - seed].idxmax(), seed] for seed in (0, 1)]
    assert table["held_out"].item() == pytest.approx(np.mean(by_hand), abs=1e-12)
