"""Absolute and relative ε stand in no cell, on no axis and in no ranking together."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.questions import layers, sensitivity, surrogate
from analysis.questions.importance import importances
from analysis.questions.layers import across_workloads
from analysis.records import Metric, Records
from analysis.report import FORMATS, write_report
from analysis.sections import layers as layers_section
from analysis.sections import sensitivity as sensitivity_section
from tests.analysis import synthetic

METRIC = Metric("valid_accuracy")
LAYERS = ["input", "conv1.w", "fc1.w"]
GAIN = {"absolute": 0.02, "relative": -0.03}


def frame(scale: str, layers: list[str] = LAYERS, **changes: object) -> pd.DataFrame:
    """A grid of ε and p in which only the scale of ε has an effect."""
    settings: dict[str, object] = {"epsilons": [0.1, 1, 5], "ps": [0.3, 0.7], "seeds": range(4), "noise": 0.0}
    found = synthetic.trials(targets=layers, effect=lambda *_: GAIN[scale], **settings | changes)
    attack = found["method"] == "dropattack"
    found = found if scale == "absolute" else found[attack]
    return found.assign(epsilon_scale=scale, key=found["key"] + scale)


def both(**changes: object) -> Records:
    """The same grid at both scales: every ε stands in both."""
    return synthetic.records(pd.concat([frame("absolute", **changes), frame("relative", **changes)]))


def test_maps_and_curves_have_one_scale_each() -> None:
    cells = sensitivity.epsilon_p_cells(both(), METRIC)
    assert len(cells) == 2 * 3 * 3 * 2
    assert (cells.groupby("panel")["scale"].nunique() == 1).all()
    curves = sensitivity.marginal(both(), "epsilon", METRIC)
    for table in (cells, curves):
        assert set(table["scale"]) == set(GAIN)
        for scale, own in table.groupby("scale"):
            assert own["gain"].tolist() == pytest.approx([GAIN[scale]] * len(own))
    assert curves.groupby("scale")["value"].agg(list).to_dict() == {
        "absolute": [0.1, 1, 5],
        "relative": [0.1, 1, 5],
    }
    other = sensitivity.marginal(both(), "p", METRIC)
    assert other["value"].tolist() == [0.3, 0.7], "along p both scales are averaged at every point alike"


def test_one_scale_alone_is_called_what_it_is() -> None:
    curves = sensitivity.marginal(synthetic.records(frame("absolute")), "epsilon", METRIC)
    assert set(curves["scale"]) == {"absolute"}
    unsaid = synthetic.records(frame("absolute").drop(columns="epsilon_scale"))
    found = sensitivity.marginal(unsaid, "epsilon", METRIC)
    pd.testing.assert_frame_equal(found.drop(columns="sample"), curves.drop(columns="sample"))


def scattered(scale: str, planted: float) -> pd.DataFrame:
    """Draws of a search whose best ε depends on the scale."""
    drawn = [0.01 * 1.15**i for i in range(40)]
    found = [
        synthetic.trials(
            targets=["input"],
            epsilons=[epsilon],
            ps=[0.2 + 0.6 * ((i * 7) % 40) / 40],
            seeds=[0],
            effect=lambda t, e, p, k: 0.05 * (e > planted),
            noise=0.001,
            stage="search",
        ).assign(epsilon_scale=scale, key=f"{scale}-{i}")
        for i, epsilon in enumerate(drawn)
    ]
    return pd.concat(attack[attack["method"] == "dropattack"] for attack in found)


def test_fitted_maps_have_one_scale_each() -> None:
    trials = pd.concat([scattered("absolute", 0.03), scattered("relative", 0.5)])
    records = Records(trials, sweep={"stages": [{"name": "search", "search": {"kind": "random"}}]})
    cells = sensitivity.epsilon_p_cells(records, METRIC)
    fitted = {found.scale: found for found in surrogate.surrogates(records, cells, METRIC)}
    assert {scale: len(found.points) for scale, found in fitted.items()} == dict.fromkeys(GAIN, 40)
    section = sensitivity_section.section(records)
    assert section is not None
    names = [part.name for part in section.parts]
    assert len(names) == len(set(names))


def test_importances_have_one_scale_each() -> None:
    """What an ε of .1 does at one scale says nothing of an ε of .1 at the other."""
    trials = pd.concat([scattered("absolute", 0.03), scattered("relative", 0.5)])
    table = importances(Records(trials), resamples=2)
    assert table.groupby("method")["n"].unique().map(list).to_dict() == {
        "dropattack": [40],
        "dropattack, relative ε": [40],
    }
    leads = table[table["evaluator"] == "fANOVA"].sort_values("importance").groupby("method").last()
    assert set(leads["hyperparameter"]) == {"epsilon"}
    assert "epsilon_scale" not in set(table["hyperparameter"])


def test_rankings_have_one_scale_each() -> None:
    records = both()
    scored = layers.scored_target_sets(records, records.reported)
    assert scored.groupby("setting")["scale"].nunique().tolist() == [1, 1]
    ranked = layers.rank_target_sets(scored)
    assert len(ranked) == 2 * len(LAYERS)
    for scale, own in ranked.groupby("scale"):
        assert own["gain"].tolist() == pytest.approx([GAIN[scale]] * 3)
        assert set(own["rank"]) == {1, 2, 3}
    alone = layers.rank_target_sets(
        layers.scored_target_sets(synthetic.records(frame("absolute")), records.reported)
    )
    same = ["targets", "gain", "p_holm", "rank", "n"]
    pd.testing.assert_frame_equal(ranked[ranked["scale"] == "absolute"][same], alone[same])
    section = layers_section.section(records)
    assert section is not None
    assert [finding.partition(":")[0] for finding in section.findings] == [
        "digits-lenet5",
        "digits-lenet5 (relative ε)",
    ]


def test_a_workload_is_one_block_at_both_scales() -> None:
    """Ranks across workloads would otherwise count it twice."""
    workloads = ["digits-lenet5", "mnist-lenet5"]
    records = both(workloads=workloads, noise=0.001)
    ranked = layers.rank_target_sets(layers.scored_target_sets(records, records.reported))
    found = [across_workloads(own, "targets") for _, own in ranked.groupby("scale")]
    assert [test.blocks for _, test in found if test] == [2, 2]
    section = layers_section.section(records)
    assert section is not None
    names = [part.name for part in section.parts]
    assert {"critical-difference", "critical-difference-relative"} < set(names)
    assert len(names) == len(set(names))


def test_the_report_is_written_with_axes_that_say_what_they_measure(tmp_path: Path) -> None:
    page = write_report(both(seeds=range(2)), tmp_path, FORMATS).read_text(encoding="utf-8")
    assert "relative ε" in page
