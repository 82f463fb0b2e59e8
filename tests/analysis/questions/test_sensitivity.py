"""Maps, curves, fitted maps, importances, costs and controls against planted effects."""

import numpy as np
import pandas as pd
import pytest

from analysis.questions import budget, controls, curves, selection, sensitivity, surrogate
from analysis.records import CONTROL, Metric, Records
from tests.analysis import synthetic

METRIC = Metric("valid_accuracy")


def test_cells_by_hand() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7])
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC)
    cell = cells.query("epsilon == 5 and p == 0.7").iloc[0]
    attacked = frame.query("epsilon == 5 and p == 0.7").set_index("seed")["value"]
    baseline = frame.query("method == 'standard'").set_index("seed")["value"]
    assert (cell["n"], cell["mean"]) == (5, pytest.approx(attacked.mean()))
    assert cell["gain"] == pytest.approx((attacked - baseline).mean())
    assert cell["gain_sd"] == pytest.approx((attacked - baseline).std())


def test_missing_failed_and_pruned_cells() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5, 9], ps=[0.3, 0.7], seeds=range(2))
    at = {name: (frame["epsilon"] == e) & (frame["p"] == p) for name, e, p in (("f", 1, 0.3), ("p", 5, 0.3))}
    frame.loc[at["f"], "state"] = "failed"
    frame.loc[at["p"], "state"] = "pruned"
    frame = frame[~((frame["epsilon"] == 9) & (frame["p"] == 0.7))]
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC).set_index(["epsilon", "p"])
    assert cells.loc[(1, 0.3), ["n", "failed", "pruned", "missing"]].tolist() == [0, 2, 0, True]
    assert cells.loc[(5, 0.3), ["n", "failed", "pruned", "missing"]].tolist() == [0, 0, 2, True]
    assert cells.loc[(9, 0.7), ["n", "failed", "pruned", "missing"]].tolist() == [0, 0, 0, True]
    assert cells["missing"].sum() == 3


def test_a_map_holds_everything_but_epsilon_and_p_fixed() -> None:
    frame = synthetic.trials(
        workloads=["a", "b"], targets=["input", "conv1.w"], ks=[1, 2], epsilons=[1, 2], ps=[0.5]
    )
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC)
    assert cells["panel"].nunique() == 8


def test_controls_and_single_settings_make_no_map() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 2], ps=[0.5])
    alone = synthetic.trials(targets=["conv1.w"], epsilons=[1], ps=[0.5])
    controls = frame[frame["method"] == "dropattack"].assign(control="eps-zero")
    tried = pd.concat([frame.assign(control="none"), alone.assign(control="none"), controls])
    cells = sensitivity.epsilon_p_cells(synthetic.records(tried.reset_index(drop=True)), METRIC)
    assert list(cells["targets"]) == ["input", "input"]
    assert set(cells["control"]) == {"none"}


@pytest.mark.parametrize(
    ("stage", "tried", "grid"),
    [
        ("search", [(1, 0.3), (5, 0.7)], False),
        ("search", [(1, 0.3), (5, 0.3), (5, 0.7)], False),
        ("search", [(1, 0.3), (5, 0.3), (1, 0.7), (5, 0.7)], True),
        ("grid", [(1, 0.3), (5, 0.3)], True),
        ("grid", [(1, 0.3), (5, 0.7)], True),
    ],
)
def test_only_what_was_laid_out_or_could_be_is_a_grid(
    stage: str, tried: list[tuple[float, float]], grid: bool
) -> None:
    """Two draws span four cells, of which two were never meant to run."""
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7], seeds=[0])
    kept = [m == "standard" or (e, p) in tried for m, e, p in frame[["method", "epsilon", "p"]].to_numpy()]
    search = {"name": "s", "search": {"kind": "random" if stage == "search" else "grid"}}
    records = synthetic.records(frame[kept].assign(stage="s"), sweep={"name": "x", "stages": [search]})
    cells = sensitivity.epsilon_p_cells(records, METRIC)
    assert cells["grid"].tolist() == [grid] * len(cells)
    assert len(cells) == (len(tried) if not grid or tried[0][1] == tried[1][1] else 4)


def test_significance_is_corrected_within_the_map() -> None:
    frame = synthetic.trials(targets=["input"], effect=synthetic.no_effect, seeds=range(6))
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC)
    attacks = cells["p"] > 0
    assert (cells["p_holm"] >= cells["p_value"])[attacks].all()
    assert cells.loc[~attacks, "p_holm"].isna().all(), "a p of 0 is the baseline"
    assert not cells["significant"].any()


def test_marginal_averages_seed_by_seed() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7], noise=0.0)
    curve = sensitivity.marginal(synthetic.records(frame), "p", METRIC).set_index("value")
    expected = np.mean([synthetic.hill("input", e, 0.7, 1) for e in (1, 5)])
    assert (curve.loc[0.7, "gain_n"], curve.loc[0.7, "gain"]) == (5, pytest.approx(expected))


def curve_over(frame: pd.DataFrame, hyperparameter: str) -> dict[float, float]:
    curve = sensitivity.marginal(synthetic.records(frame), hyperparameter, METRIC)
    return dict(zip(curve["value"], curve["gain"], strict=True)) if len(curve) else {}


def test_a_curve_compares_the_same_other_settings_at_every_point() -> None:
    """Targets matter and epsilon does not; one target set was tried with other epsilons."""
    frame = synthetic.trials(
        targets=["input", "fc1.w", "fc2.w"],
        epsilons=[1, 2, 9],
        ps=[0.5],
        noise=0.0,
        effect=lambda targets, *_: 0.03 * (targets == "fc2.w"),
    )
    other = frame["targets"] == "fc2.w"
    frame = frame[frame["epsilon"].isna() | (frame["epsilon"] != other.map({True: 1, False: 9}))]
    assert curve_over(frame, "epsilon") == {1: pytest.approx(0), 2: pytest.approx(0)}


def test_a_point_without_a_seed_does_not_stand_beside_points_that_have_it() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 2, 5], ps=[0.5], noise=0.0)
    gone = ((frame["epsilon"] == 2) & (frame["seed"] == 3)) | ((frame["epsilon"] == 5) & (frame["seed"] < 4))
    frame.loc[gone, "state"] = "failed"
    curve = sensitivity.marginal(synthetic.records(frame), "epsilon", METRIC)
    assert dict(zip(curve["value"], curve["n"], strict=True)) == {1: 4, 2: 4}, "seeds 0, 1, 2 and 4"


def test_one_value_is_no_curve_and_those_stopped_early_are_counted() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.5], seeds=range(3))
    frame.loc[frame["epsilon"] == 5, "state"] = "pruned"
    assert curve_over(frame, "epsilon") == {}
    frame.loc[frame["seed"] > 0, "state"] = "complete"
    curve = sensitivity.marginal(synthetic.records(frame), "epsilon", METRIC)
    assert (set(curve["pruned"]), set(curve["n"])) == ({1}, {2})


def test_epochs_that_a_budget_of_passes_sets_are_no_other_setting() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1], ps=[0.5], ks=[1, 3], noise=0.0)
    frame["training.epochs"] = np.where(frame["k"] == 3, 2, 5)
    stages = [synthetic.stage("grid") | {"budget": "passes"}]
    records = synthetic.records(frame, sweep={"name": "x", "stages": stages})
    assert sensitivity.marginal(records, "k", METRIC)["value"].tolist() == [1, 3]
    assert sensitivity.marginal(synthetic.records(frame), "k", METRIC).empty


def scattered(count: int = 80) -> Records:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"epsilon": np.exp(rng.uniform(np.log(0.01), np.log(10), count)), "p": rng.uniform(0, 1, count)}
    )
    frame["value"] = [0.9 + synthetic.hill("input", e, p, 1) for e, p in frame.to_numpy()]
    frame["value"] += rng.normal(0, 0.001, count)
    frame = frame.assign(method="dropattack", targets="input", k=1, seed=0, workload="w", state="complete")
    return Records(frame.assign(key=[f"{i:03d}" for i in range(count)], stage="search"))


def test_marginal_of_sampled_values_is_binned() -> None:
    curve = sensitivity.marginal(scattered(), "epsilon", METRIC)
    assert len(curve) == 8
    assert curve["sampled"].all()
    assert 1 < curve.loc[curve["mean"].idxmax(), "value"] < 10


@pytest.mark.parametrize("samples", [4, 80])
def test_marginal_of_a_grid_leaves_samples_beside_it_out(samples: int) -> None:
    grid = synthetic.trials(workloads=["w"], targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7])
    recipe = {"training.epochs": 5, "training.train_size": 0}
    both = Records(pd.concat([grid, scattered(samples).trials.assign(**recipe)]))
    curve = sensitivity.marginal(both, "p", METRIC)
    assert curve["value"].tolist() == [0.3, 0.7]
    assert not curve["sampled"].any()


def test_surrogate_finds_the_planted_peak_and_knows_where_it_knows_nothing() -> None:
    records = scattered()
    (fitted,) = surrogate.surrogates(records, sensitivity.epsilon_p_cells(records, METRIC), METRIC)
    row, column = np.unravel_index(fitted.mean.argmax(), fitted.mean.shape)
    assert 2.5 < fitted.epsilon[column] < 9
    assert 0.35 < fitted.p[row] < 0.85
    assert fitted.sd[0, 0] > np.median(fitted.sd)
    assert fitted.tells


@pytest.mark.parametrize("count", [9, 40])
def test_a_surrogate_of_noise_tells_nothing(count: int) -> None:
    records = scattered(count)
    noise = np.random.default_rng(3).normal(0.9, 0.01, count)
    for values in (noise, np.full(count, 0.9)):
        shown = Records(records.trials.assign(value=values))
        (fitted,) = surrogate.surrogates(shown, sensitivity.epsilon_p_cells(shown, METRIC), METRIC)
        assert not fitted.tells


def test_a_grid_needs_no_surrogate() -> None:
    records = synthetic.records(synthetic.trials(seeds=range(2)))
    assert surrogate.surrogates(records, sensitivity.epsilon_p_cells(records, METRIC), METRIC) == []


def test_passes_buy_what_was_planted() -> None:
    frame = synthetic.trials(
        targets=["input"], epsilons=[5], ps=[0.5], ks=[1, 3], effect=lambda t, e, p, k: 0.01 * k, noise=0.0
    )
    table = budget.quality_by_passes(synthetic.records(frame), Metric("test_accuracy")).set_index("k")
    assert table["passes"].tolist() == [2, 4]
    assert table["per_pass"].tolist() == pytest.approx([0.01, 0.01])


def test_examples_needed_by_hand() -> None:
    assert budget.examples_needed([100, 10_000], [0.5, 0.7], 0.6) == pytest.approx(1000)
    assert budget.examples_needed([100, 10_000], [0.5, 0.7], 0.8) == np.inf
    assert np.isnan(budget.examples_needed([100, 10_000], [0.5, 0.7], 0.4))
    assert budget.examples_needed([10_000, 100], [0.7, 0.5], 0.5) == pytest.approx(100)


def with_controls(effect: float) -> pd.DataFrame:
    attack = synthetic.trials(
        targets=["input"], epsilons=[4], ps=[0.5], seeds=range(8), effect=lambda *_: effect
    )
    zero = attack[attack["method"] == "dropattack"].assign(epsilon=0.0)
    luck = attack[attack["method"] == "standard"].set_index("seed")
    zero["test_accuracy"] = zero["seed"].map(luck["test_accuracy"]) + 0.001
    plain = zero.assign(epsilon=4.0, control="p-one")
    longer = luck.reset_index().assign(passes=2, rounds=2)
    frames = [attack, zero, plain, longer]
    return pd.concat([f.assign(key=f"{i}" + f["key"]) for i, f in enumerate(frames)], ignore_index=True)


def test_controls_are_seen_from_their_settings() -> None:
    frame = with_controls(0.02)
    names = Records(frame).trials[CONTROL]
    assert names.value_counts().to_dict() == {"": 16, "eps-zero": 8, "p-one": 8, "equal-passes": 8}


@pytest.mark.parametrize(("effect", "beaten"), [(0.02, True), (0.0, False)])
def test_a_method_is_compared_with_its_controls(effect: float, beaten: bool) -> None:
    records = synthetic.records(with_controls(effect))
    table = controls.compare_methods(controls.scored_methods(records, records.reported)).set_index("control")
    row = table.loc["eps-zero"]
    assert row["over_n"] == 8
    assert (row["over_p"] < 0.05 and row["over"] > 0) == beaten


def test_a_control_is_compared_with_the_method_in_the_same_settings() -> None:
    """The method helps on one layer; its controls ran on another, where it does nothing."""
    frame = synthetic.trials(
        targets=["input", "conv1.w"],
        epsilons=[4],
        ps=[0.5],
        seeds=range(8),
        effect=lambda targets, *_: 0.05 * (targets == "input"),
        noise=0.001,
    ).assign(control="none")
    without = frame[frame["targets"] == "conv1.w"].assign(control="eps-zero")
    frame = pd.concat([frame, without.assign(key="zero" + without["key"])], ignore_index=True)
    records = synthetic.records(frame)
    table = controls.compare_methods(controls.scored_methods(records, records.reported)).set_index("control")
    row = table.loc["eps-zero"]
    assert row["alike"]
    assert (row["over_n"], row["over"]) == (8, 0), "the same results, seed by seed"
    assert table.loc["", "gain"].max() == pytest.approx(0.05, abs=0.002)


def test_gap_by_hand() -> None:
    records = synthetic.records(synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], noise=0.0))
    scored = controls.scored_methods(records, records.reported)
    gap = controls.generalisation_gap(scored, records.reported).set_index("family")
    assert gap.loc["dropattack", "change"] == pytest.approx(-synthetic.hill("input", 5, 0.5, 1))
    assert gap.loc["standard", "gap"] == pytest.approx(0.99 - records.baselines()["test_accuracy"].mean())


def test_the_choice_among_noise_flatters_itself() -> None:
    frame = synthetic.trials(effect=synthetic.no_effect, noise=0.01, seeds=range(6))
    row = selection.optimism(synthetic.records(frame)).iloc[0]
    assert row["candidates"] == 60, "of 75 settings 15 have a p of 0"
    assert row["optimism"] > 0.003


def test_failures_are_counted_by_reason() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5])
    frame.loc[frame.index[:3], ["state", "reason"]] = ["failed", "out of memory"]
    frame.loc[frame.index[3], ["state", "reason"]] = ["failed", ""]
    table = selection.failures(synthetic.records(frame)).set_index("reason")["n"]
    assert table.to_dict() == {"out of memory": 3, "no reason recorded": 1}


def test_failures_that_differ_only_in_numbers_are_counted_together() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5])
    for row, epoch in enumerate((3, 4, 4)):
        frame.loc[frame.index[row], ["state", "reason"]] = ["failed", f"loss became nan in epoch {epoch}"]
    for row, place in enumerate(("waves.py:31", "waves.py:32", "waves.py:32"), start=3):
        frame.loc[frame.index[row], ["state", "reason"]] = ["failed", f"ValueError: 7 ({place} in forward)"]
    table = selection.failures(synthetic.records(frame)).set_index("reason")["n"]
    assert table.to_dict() == {
        "loss became nan in epoch …": 3,
        "ValueError: 7 (waves.py:32 in forward)": 2,
        "ValueError: 7 (waves.py:31 in forward)": 1,
    }


def test_learning_curves_by_hand() -> None:
    records = synthetic.records(synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=range(3)))
    keys = list(records.baselines()["key"])
    table = curves.learning_curves(records, keys, ["valid_accuracy", "no-such"])
    expected = records.epochs[records.epochs["key"].isin(keys)].groupby("epoch")["valid_accuracy"].mean()
    assert table["mean"].tolist() == pytest.approx(expected.tolist())
    assert set(table["configuration"]) == {"standard"}
