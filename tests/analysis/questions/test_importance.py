"""Which hyperparameters matter, and how surely."""

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

from analysis.questions import importance
from analysis.questions.fanova import main_effects
from analysis.records import Records
from tests.analysis import synthetic


def test_importance_finds_what_was_planted_and_repeats_itself() -> None:
    frame = synthetic.trials(
        effect=lambda targets, epsilon, p, k: 0.05 * (epsilon > 0.5), epsilons=[0.1, 0.2, 1, 2], noise=0.001
    )
    table = importance.importances(synthetic.records(frame))
    lead = table.sort_values("importance", ascending=False).groupby("evaluator")["hyperparameter"].first()
    assert lead.to_dict() == {"fANOVA": "epsilon", "PED-ANOVA": "epsilon"}
    assert table.groupby("evaluator")["importance"].sum().tolist() == pytest.approx([1, 1])
    pd.testing.assert_frame_equal(table, importance.importances(synthetic.records(frame)))


@pytest.mark.parametrize("effect", [0.0, 0.05])
@pytest.mark.parametrize("targets", [["input"], ["input", "conv1.w"]])
def test_intervals_of_importances_hold_their_estimate_or_are_missing(
    effect: float, targets: list[str]
) -> None:
    frame = synthetic.trials(
        effect=lambda targets, epsilon, p, k: effect * (epsilon > 0.5),
        targets=targets,
        epsilons=[0.1, 1, 2, 5],
        ps=[0.3, 0.5, 0.7],
        seeds=range(2),
    )
    table = importance.importances(synthetic.records(frame), resamples=60)
    low, high = table["low"], table["high"]
    assert ((low <= table["importance"]) & (table["importance"] <= high) | low.isna()).all()
    assert (low.isna() == high.isna()).all()
    assert low.dropna().ge(0).all()
    assert high.dropna().le(1).all()
    few = importance.importances(synthetic.records(frame), resamples=1)
    assert few["low"].isna().all(), "one resample holds no estimate between its ends"


def test_conditional_hyperparameters_are_in_ped_anova() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"epsilon": rng.uniform(0.1, 9, 60), "p": rng.uniform(0, 1, 60)})
    frame["value"] = 0.9 + frame["epsilon"] / 100 + rng.normal(0, 0.001, 60)
    frame = frame.assign(method="dropattack", targets="input", k=1, seed=0, workload="w", state="complete")
    frame = frame.assign(key=[f"{i:03d}" for i in range(60)], stage="search")
    frame["decay"] = np.where(frame["p"] > 0.5, frame["epsilon"], np.nan)
    table = importance.importances(Records(frame))
    assert "decay" in set(table.query("evaluator == 'PED-ANOVA'")["hyperparameter"])
    assert "decay" not in set(table.query("evaluator == 'fANOVA'")["hyperparameter"])


@pytest.mark.parametrize("other", [0.91, 0.9 + 1e-9, np.nextafter(0.9, 1)])
def test_results_that_are_all_but_equal_have_an_importance_or_none(other: float) -> None:
    """fANOVA's trees find nothing to split in values that differ by rounding."""
    frame = synthetic.trials(
        targets=["input"], epsilons=[0.1, 1], ps=[0.1, 0.3, 0.5, 0.7, 0.9, 1.0], seeds=[0], noise=0.0
    )
    frame["value"] = 0.9
    attacks = frame.index[frame["method"] == "dropattack"]
    frame.loc[attacks[0], "value"] = other
    table = importance.importances(synthetic.records(frame))
    assert table.empty or table["importance"].dropna().between(0, 1).all()


def test_main_effects_by_hand() -> None:
    """2x + y over the unit square, on a fine grid: variances 4/12 and 1/12. An interaction is nobody's."""
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21)), axis=-1).reshape(-1, 2)
    shares = main_effects(grid, grid @ [2.0, 1.0], trees=32, rng=np.random.default_rng(0))
    assert shares == pytest.approx([0.8, 0.2], abs=0.03)
    product = (grid[:, 0] - 0.5) * (grid[:, 1] - 0.5)
    shares = main_effects(grid, product, trees=32, rng=np.random.default_rng(0))
    assert shares == pytest.approx([0, 0], abs=0.03)
    assert main_effects(grid, np.ones(len(grid)), trees=4, rng=np.random.default_rng(0)) is None


@pytest.mark.parametrize("seed", range(3))
def test_fanova_is_that_of_optuna(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform([0.1, 0, 1], [9, 1, 5], (60, 3))
    y = 0.9 + 0.01 * x[:, 0] + 0.05 * x[:, 1] * (x[:, 2] > 2) + rng.normal(0, 0.005, 60)
    study = optuna.create_study()
    spaces = {
        name: FloatDistribution(*map(float, (c.min(), c.max()))) for name, c in zip("abc", x.T, strict=True)
    }
    for row, value in zip(x, y, strict=True):
        params = dict(zip("abc", map(float, row), strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=float(value)))
    tool = FanovaImportanceEvaluator(n_trees=64, seed=0)
    theirs = optuna.importance.get_param_importances(study, evaluator=tool)
    ours = main_effects(x, y, trees=64, rng=np.random.default_rng(0))
    assert ours / ours.sum() == pytest.approx([theirs[name] for name in "abc"], abs=0.05)
