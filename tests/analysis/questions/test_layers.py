"""Rankings find what is planted and claim nothing where there is nothing."""

import numpy as np
import pandas as pd
import pytest

from analysis import scoring
from analysis.pairing import with_gain
from analysis.questions import layers
from analysis.records import Records
from analysis.sections import layers as section
from tests.analysis import synthetic


def ranked(records: Records) -> pd.DataFrame:
    return layers.rank_target_sets(layers.scored_target_sets(records, records.reported))


def by_layer(targets: str, epsilon: float, p: float, k: int) -> float:
    return {"input": 0.03, "conv1.w": 0.02, "fc1.w": 0.0, "input+fc1.w": 0.045}.get(targets, 0.0)


LAYERS = ["input", "conv1.w", "fc1.w", "input+fc1.w"]


def null_records(workloads: int, correlation: float) -> Records:
    """No effect at all, many times over: 4 target sets of 6 settings and 5 seeds per workload.

    A run that is lucky in validation is lucky in test too, the more so the larger ``correlation`` is.
    """
    epsilons = [0.1, 0.3, 1, 3, 5, 9]
    settings = [("standard", None, np.nan), *(("dropattack", t, e) for t in LAYERS for e in epsilons)]
    rows = [(f"w{w:03d}", s, *setting) for w in range(workloads) for s in range(5) for setting in settings]
    frame = pd.DataFrame(rows, columns=["workload", "seed", "method", "targets", "epsilon"])
    shared, own, test = np.random.default_rng(0).normal(0, 0.004, (3, len(frame)))
    frame = frame.assign(key=[f"{i:06d}" for i in frame.index], state="complete")
    frame["value"] = 0.9 + correlation * shared + own
    frame["test_accuracy"] = 0.9 + correlation * shared + test
    return Records(frame)


@pytest.mark.parametrize("correlation", [0.0, 2.0])
def test_false_claims_under_the_null(correlation: float) -> None:
    """Even where validation and test luck go together, choosing a setting must not make effects."""
    table = ranked(null_records(150, correlation))
    claims = table["significant"].groupby(table["workload"]).any()
    assert claims.mean() <= 0.05
    gains = table["gain"].groupby(table["workload"]).mean()
    assert abs(gains.mean()) < 3 * gains.std() / np.sqrt(len(gains))


def test_choosing_on_the_same_seeds_would_make_effects() -> None:
    """What the held-out choice prevents: the test gain of the best validation mean is biased upwards."""
    records = null_records(50, 2.0)
    trials = with_gain(records, records.complete().dropna(subset="targets"), records.reported)
    means = trials.groupby(["workload", "targets", "epsilon"])[["value", "gain"]].mean()
    chosen = means.loc[means.groupby("workload")["value"].idxmax(), "gain"]
    assert chosen.mean() > 0.003


def test_planted_order_is_found() -> None:
    frame = synthetic.trials(targets=LAYERS, epsilons=[1, 5], ps=[0.5], effect=by_layer, seeds=range(10))
    table = ranked(synthetic.records(frame))
    assert table["targets"].tolist() == ["input+fc1.w", "input", "conv1.w", "fc1.w"]
    assert table["significant"].tolist() == [True, True, True, False]
    assert (
        (table["gain_low"] < [0.045, 0.03, 0.02, 0.0]) & (table["gain_high"] > [0.045, 0.03, 0.02, 0.0])
    ).all()


def test_each_seed_is_scored_by_the_choice_of_the_others() -> None:
    """By hand: seeds 0 and 1 prefer ε 5, seed 2 prefers ε 1 so strongly that it decides for both of them."""
    rows = [("standard", None, np.nan, s, 0.5, 0.5) for s in range(3)]
    for epsilon, values in ((1, (0.50, 0.50, 0.90)), (5, (0.60, 0.60, 0.55))):
        rows += [("dropattack", "input", epsilon, s, v, 0.5 + epsilon / 100) for s, v in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["method", "targets", "epsilon", "seed", "value", "test_accuracy"])
    frame = frame.assign(key=[str(i) for i in frame.index], workload="w", state="complete")
    scored = layers.scored_target_sets(Records(frame), Records(frame).reported).sort_values("seed")
    assert scored["scored_on"].unique().tolist() == [scoring.HELD_OUT]
    assert scored["epsilon"].tolist() == [1, 1, 5]
    assert scored["gain"].tolist() == pytest.approx([0.01, 0.01, 0.05])


def test_confirmation_is_scored_on_its_fresh_seeds() -> None:
    searched = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.5], seeds=range(3))
    fresh = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=range(10, 16), stage="confirm")
    scored = layers.scored_target_sets(
        records := synthetic.records(pd.concat([searched, fresh])), records.reported
    )
    assert set(scored["seed"]) == set(range(10, 16))
    assert set(scored["scored_on"]) == {scoring.FRESH}


def searched_with_pruning(seed: int, epsilons: list[float] | None = None) -> pd.DataFrame:
    """No effect; pruning lets each layer's best setting on validation through, whose luck test shares."""
    settings = {"epsilons": epsilons or [0.1, 0.5, 1, 5, 9], "ps": [0.5], "seeds": [0], "stage": "search"}
    frame = synthetic.trials(
        targets=["conv1.w", "fc1.w"], effect=synthetic.no_effect, noise=0.01, rng_seed=seed, **settings
    )
    frame["test_accuracy"] = frame["value"]
    attacks = frame[frame["method"] == "dropattack"]
    survivors = attacks.groupby("targets")["value"].idxmax()
    frame.loc[attacks.index.difference(survivors), "state"] = "pruned"
    return frame


def test_survivors_of_pruning_are_called_flattered_and_not_tested() -> None:
    """There is one complete setting of each layer, but it is the best of five: in a world without effects it
    gains."""
    gains = []
    for seed in range(20):
        table = ranked(synthetic.records(searched_with_pruning(seed)))
        assert set(table["scored_on"]) == {scoring.SAME}
        assert table[["p_value", "gain_low", "low", "needed"]].isna().all(axis=None)
        gains += table["gain"].tolist()
    assert np.mean(gains) > 0.005, "what must not be taken for an effect"


def test_a_layer_with_one_setting_in_a_stage_that_pruned_is_a_survivor_too() -> None:
    frame = searched_with_pruning(0, [5])
    frame.loc[frame["targets"] == "fc1.w", "state"] = "pruned"
    table = ranked(synthetic.records(frame))
    assert table[["targets", "scored_on"]].to_numpy().tolist() == [["conv1.w", scoring.SAME]]


def test_what_was_not_confirmed_stands_below_without_a_rank() -> None:
    """The survivors look better than the confirmed layer by far."""
    searched = searched_with_pruning(0)
    searched.loc[searched["targets"] == "conv1.w", ["value", "test_accuracy"]] += 0.5
    grid = synthetic.trials(
        targets=["input", "conv2.w"], epsilons=[5], ps=[0.5], seeds=range(3), effect=by_layer
    )
    grid.loc[grid["targets"] == "conv2.w", "test_accuracy"] += 0.2
    fresh = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=range(10, 13), stage="confirm")
    table = ranked(synthetic.records(pd.concat([searched, grid, fresh])))
    assert table["targets"].tolist()[:3] == ["input", "conv2.w", "conv1.w"]
    assert table["rank"].tolist() == pytest.approx([1, np.nan, np.nan, np.nan], nan_ok=True)
    kinds = [scoring.FRESH, scoring.FIXED, scoring.SAME, scoring.SAME]
    assert table["scored_on"].tolist() == kinds
    (told,) = section.section(synthetic.records(pd.concat([searched, grid, fresh]))).findings
    assert "input beats the baseline significantly" in told
    assert "3 more are scored less reliably" in told


def test_depth_is_compared_among_layers_that_are_scored_alike() -> None:
    layer = ["input", "conv1.w", "conv2.w"]
    frame = synthetic.trials(targets=layer, epsilons=[5], ps=[0.5], noise=0.0, effect=by_layer)
    pruned = searched_with_pruning(0).replace({"targets": {"conv1.w": "fc2.w"}})
    pruned.loc[pruned["method"] == "dropattack", "test_accuracy"] = 0.99
    records = synthetic.records(pd.concat([frame, pruned]))
    table = layers.depth_and_gain(layers.scored_target_sets(records, records.reported))
    assert (table["targets"].item(), table["rho"].item()) == (3, pytest.approx(-1))


def test_a_loss_ranks_the_smallest_first_where_there_is_no_baseline() -> None:
    frame = synthetic.trials(targets=["input", "conv1.w"], epsilons=[1], ps=[0.5])
    frame = frame[frame["method"] != "standard"]
    frame["value"] = frame["test_loss"] = np.where(frame["targets"] == "input", 0.1, 0.9)
    table = ranked(synthetic.records(frame, select="valid_loss", mode="min"))
    assert table["targets"].tolist() == ["input", "conv1.w"]


def test_gains_are_paired_by_seed_workload_and_settings() -> None:
    one = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], noise=0.0)
    other = synthetic.trials(
        targets=["input"], epsilons=[5], ps=[0.5], noise=0.0, training={"training.epochs": 9}, rng_seed=7
    )
    table = ranked(synthetic.records(pd.concat([one, other.assign(key="o" + other["key"])])))
    assert table["gain"].tolist() == pytest.approx([synthetic.hill("input", 5, 0.5, 1)] * 2)
    assert set(table["training"]) == {"epochs\xa05", "epochs\xa09"}


def test_seeds_without_a_baseline_have_no_gain() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5])
    frame = frame[~((frame["method"] == "standard") & frame["seed"].isin([3, 4]))]
    table = ranked(synthetic.records(frame))
    assert (table["n"].item(), table["gain_n"].item()) == (5, 3)


def test_depth_follows_the_forward_pass() -> None:
    depth = layers.depths("digits-lenet5", ["fc1.w", "conv2.b", "conv2.w", "input", "no-such"])
    assert depth == {"input": 0, "conv2.w": 2, "conv2.b": 2, "fc1.w": 3}
    assert layers.depths("unknown", ["input"]) == {}


def test_depth_and_gain_by_hand() -> None:
    frame = synthetic.trials(
        targets=["input", "conv1.w", "conv2.w", "fc1.w"],
        epsilons=[5],
        ps=[0.5],
        noise=0.0,
        effect=lambda targets, *_: {"input": 0.04, "conv1.w": 0.03, "conv2.w": 0.01, "fc1.w": 0.02}[targets],
    )
    records = synthetic.records(frame)
    table = layers.depth_and_gain(layers.scored_target_sets(records, records.reported))
    assert table["rho"].item() == pytest.approx(-0.8)
    assert (table["n"].item(), table["seed_rho"].item()) == (5, pytest.approx(-0.8))


def test_synergy_by_hand() -> None:
    frame = synthetic.trials(targets=LAYERS, epsilons=[5], ps=[0.5], effect=by_layer, noise=0.0)
    records = synthetic.records(frame)
    pair = layers.interactions(layers.scored_target_sets(records, records.reported)).iloc[0]
    assert (pair["a"], pair["b"], pair["better"]) == ("input", "fc1.w", "input")
    assert (pair["synergy"], pair["over_best"]) == (pytest.approx(0.015), pytest.approx(0.015))


def test_friedman_needs_two_workloads_and_three_treatments() -> None:
    frame = synthetic.trials(
        workloads=["a", "b", "c"], targets=LAYERS, epsilons=[5], ps=[0.5], effect=by_layer
    )
    table = ranked(synthetic.records(frame))
    found = layers.across_workloads(table, "targets")
    assert found is not None
    names, test = found
    assert dict(zip(names, test.ranks, strict=True))["input+fc1.w"] == 1
    assert layers.across_workloads(table[table["workload"] == "a"], "targets") is None


def test_weights_that_sam_perturbs_are_not_ranked_among_attacked_ones() -> None:
    """Its ρ is no ε; sets of both would compare methods, and not layers."""
    records = null_records(1, 0.0)
    plain = records.trials[records.trials["method"] == "standard"]
    more = plain.assign(method="sam", targets="bn1.w", rho=0.05, key="sam" + plain["key"])
    both = Records(pd.concat([records.trials, more], ignore_index=True))
    assert set(ranked(both)["targets"]) == set(LAYERS)
    alone = Records(pd.concat([plain.drop(columns=["targets", "epsilon"]), more.drop(columns="epsilon")]))
    assert ranked(alone).empty
