"""Maps, curves, fitted maps, importances, costs and controls against planted effects."""

import numpy as np
import pandas as pd
import pytest

from analysis import budget, controls, curves, importance, selection, sensitivity, surrogate
from analysis.records import Metric, Records, control_names
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


def test_significance_is_corrected_within_the_map() -> None:
    frame = synthetic.trials(targets=["input"], effect=synthetic.no_effect, seeds=range(6))
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC)
    assert (cells["p_holm"] >= cells["p_value"]).all()
    assert not cells["significant"].any()


def test_marginal_averages_seed_by_seed() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7], noise=0.0)
    curve = sensitivity.marginal(synthetic.records(frame), "p", METRIC).set_index("value")
    expected = np.mean([synthetic.hill("input", e, 0.7, 1) for e in (1, 5)])
    assert (curve.loc[0.7, "gain_n"], curve.loc[0.7, "gain"]) == (5, pytest.approx(expected))


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
    assert 1 < curve.loc[curve["mean"].idxmax(), "value"] < 10


def test_marginal_of_a_grid_leaves_samples_beside_it_out() -> None:
    grid = synthetic.trials(workloads=["w"], targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7])
    both = Records(pd.concat([grid, scattered().trials]))
    assert sensitivity.marginal(both, "p", METRIC)["value"].tolist() == [0.3, 0.7]


def test_surrogate_finds_the_planted_peak_and_knows_where_it_knows_nothing() -> None:
    records = scattered()
    (fitted,) = surrogate.surrogates(records, sensitivity.epsilon_p_cells(records, METRIC), METRIC)
    row, column = np.unravel_index(fitted.mean.argmax(), fitted.mean.shape)
    assert 2.5 < fitted.epsilon[column] < 9
    assert 0.35 < fitted.p[row] < 0.85
    assert fitted.sd[0, 0] > np.median(fitted.sd)


def test_a_grid_needs_no_surrogate() -> None:
    records = synthetic.records(synthetic.trials(seeds=range(2)))
    assert surrogate.surrogates(records, sensitivity.epsilon_p_cells(records, METRIC), METRIC) == []


def test_importance_finds_what_was_planted_and_repeats_itself() -> None:
    frame = synthetic.trials(
        effect=lambda targets, epsilon, p, k: 0.05 * (epsilon > 0.5), epsilons=[0.1, 0.2, 1, 2], noise=0.001
    )
    table = importance.importances(synthetic.records(frame))
    lead = table.sort_values("importance", ascending=False).groupby("evaluator")["hyperparameter"].first()
    assert lead.to_dict() == {"fANOVA": "epsilon", "PED-ANOVA": "epsilon"}
    assert table.groupby("evaluator")["importance"].sum().tolist() == pytest.approx([1, 1])
    pd.testing.assert_frame_equal(table, importance.importances(synthetic.records(frame)))


def test_conditional_hyperparameters_are_in_ped_anova() -> None:
    frame = scattered(60).trials
    frame["decay"] = np.where(frame["p"] > 0.5, frame["epsilon"], np.nan)
    table = importance.importances(Records(frame))
    assert "decay" in set(table.query("evaluator == 'PED-ANOVA'")["hyperparameter"])
    assert "decay" not in set(table.query("evaluator == 'fANOVA'")["hyperparameter"])


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
    names = control_names(Records(frame).trials)
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
    assert row["candidates"] == 75
    assert row["optimism"] > 0.003


def test_failures_are_counted_by_reason() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5])
    frame.loc[frame.index[:3], ["state", "reason"]] = ["failed", "out of memory"]
    frame.loc[frame.index[3], ["state", "reason"]] = ["failed", ""]
    table = selection.failures(synthetic.records(frame)).set_index("reason")["n"]
    assert table.to_dict() == {"out of memory": 3, "no reason recorded": 1}


def test_learning_curves_by_hand() -> None:
    records = synthetic.records(synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=range(3)))
    keys = list(records.baselines()["key"])
    table = curves.learning_curves(records, keys, ["valid_accuracy", "no-such"])
    expected = records.epochs[records.epochs["key"].isin(keys)].groupby("epoch")["valid_accuracy"].mean()
    assert table["mean"].tolist() == pytest.approx(expected.tolist())
    assert set(table["configuration"]) == {"standard"}
