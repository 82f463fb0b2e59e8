"""Settings of training, data and model are neither pooled in a figure nor put on an axis of ε."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.document import Figure
from analysis.pairing import with_gain
from analysis.questions.curves import learning_curves
from analysis.questions.importance import importances
from analysis.questions.layers import across_workloads, rank_target_sets, scored_target_sets
from analysis.questions.sensitivity import epsilon_p_cells, marginal
from analysis.questions.surrogate import surrogates
from analysis.recipes import recipes
from analysis.records import Metric, Records
from analysis.sections import sensitivity as section
from tests.analysis import synthetic

METRIC = Metric("valid_accuracy")
RECIPES = [
    ("training.train_size", [100, 1000]),
    ("training.learning_rate", [0.01, 0.1, 0.3]),
    ("model.cell", ["gru", "lstm"]),
    ("data.vectors", ["", "glove"]),
]


def searched(column: str, values: list[Any], **changes: Any) -> Records:
    """One grid for each value, of which later ones are better by what no attack does."""
    settings: dict[str, Any] = {"targets": ["input"], "epsilons": [1, 5], "ps": [0.3, 0.7], "seeds": range(3)}
    parts = []
    for place, value in enumerate(values):
        own = synthetic.trials(**settings | changes, training={column: value}, rng_seed=place)
        own = own.assign(key=f"{value}-" + own["key"], value=own["value"] + 0.02 * place)
        parts.append(own)
    return synthetic.records(pd.concat(parts, ignore_index=True))


def label(column: str, value: Any) -> str:
    shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else value
    return f"{column.partition('.')[2]}\N{NO-BREAK SPACE}{shown}" if value else ""


@pytest.mark.parametrize(("column", "values"), RECIPES)
def test_each_recipe_has_curves_and_maps_of_its_own(column: str, values: list[Any]) -> None:
    records = searched(column, values)
    curves = marginal(records, "epsilon", METRIC)
    trials = records.trials
    for value in values:
        own = curves[curves["recipe"] == label(column, value)].set_index("value")
        of_recipe = trials[(trials[column] == value) & trials["epsilon"].notna()]
        assert own["mean"].to_dict() == pytest.approx(of_recipe.groupby("epsilon")["value"].mean().to_dict())
        assert own["n"].tolist() == [3, 3]
    assert len(curves) == 2 * len(values)
    cells = epsilon_p_cells(records, METRIC)
    assert cells.groupby("panel")[column].nunique().tolist() == [1] * len(values)
    assert cells["grid"].all()


@pytest.mark.parametrize(("column", "values"), RECIPES)
def test_a_number_of_the_recipe_is_on_an_axis_of_its_own(column: str, values: list[Any]) -> None:
    """But for the training size, which has a figure that says more; gains are over the baseline of each."""
    records = searched(column, values)
    found = section.section(records)
    assert found is not None
    figure = next(part for part in found.parts if isinstance(part, Figure))
    panels = {axes.get_xlabel(): axes for axes in figure.draw().axes}
    number = column == "training.learning_rate"
    assert list(panels) == ["perturbation size ε", "attack probability p", *["learning rate"] * number]
    if number:
        (bars,) = [bar for bar in panels["learning rate"].containers if len(bar.lines[0].get_xdata())]
        assert bars.lines[0].get_xdata().tolist() == values
        gains = with_gain(records, records.exploring(), METRIC).groupby(column)["gain"].mean()
        assert bars.lines[0].get_ydata().tolist() == pytest.approx((100 * gains).tolist())


def test_fitted_maps_are_of_one_recipe() -> None:
    """Two recipes that differ by more than any ε does: each map lies within its own results."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"epsilon": rng.uniform(0.1, 1, 40), "p": rng.uniform(0, 1, 40)})
    frame = frame.assign(width=[16, 64] * 20)
    frame["value"] = 0.5 + 0.004 * frame["width"] + 0.02 * frame["epsilon"]
    frame = frame.rename(columns={"width": "model.width"})
    frame = frame.assign(method="dropattack", targets="input", k=1, seed=0, workload="w", state="complete")
    records = Records(frame.assign(key=[f"{i:03d}" for i in range(40)], stage="search"))
    maps = surrogates(records, epsilon_p_cells(records, METRIC), METRIC)
    assert [fitted.recipe for fitted in maps] == [label("model.width", 16), label("model.width", 64)]
    for fitted, width in zip(maps, (16, 64), strict=True):
        assert len(fitted.points) == 20
        assert abs(fitted.mean - 0.5 - 0.004 * width).max() < 0.05


def test_what_was_searched_of_the_recipe_has_an_importance() -> None:
    """A learning rate that decides everything is not spread over ε and p."""
    table = importances(searched("training.learning_rate", [0.01, 0.1, 0.3], noise=0.0005))
    first = table.sort_values("importance", ascending=False).groupby("evaluator")["hyperparameter"].first()
    assert first["fANOVA"] == "training.learning_rate"
    assert set(table["hyperparameter"]) == {"epsilon", "p", "training.learning_rate"}


def test_recipes_of_one_workload_are_one_block_of_friedmans_test() -> None:
    """They are measured on one test split, and are no further workloads."""
    targets = {"targets": ["input", "conv1.w", "fc1.w"], "epsilons": [1], "ps": [0.5]}
    one = searched("model.width", [16, 64], **targets)
    assert across_workloads(rank_target_sets(scored_target_sets(one, METRIC)), "targets") is None
    both = searched("model.width", [16, 64], **targets, workloads=["digits-lenet5", "mnist-lenet5"])
    ranked = rank_target_sets(scored_target_sets(both, METRIC))
    found = across_workloads(ranked, "targets")
    assert found is not None
    names, test = found
    means = ranked.pivot_table(index="workload", columns="targets", values="gain")[names]
    assert test.blocks == 2
    assert list(test.ranks) == pytest.approx(means.rank(axis=1, ascending=False).mean().tolist())


def test_learning_curves_name_the_recipe() -> None:
    records = searched("model.width", [16, 64], epsilons=[1], ps=[0.5])
    curves = learning_curves(records, list(records.trials["key"]), ["valid_accuracy"])
    assert curves["configuration"].nunique() == 4
    assert set(curves.groupby(["configuration", "epoch"]).size()) == {1}


def test_recipes_are_what_varies_within_a_workload() -> None:
    """Workloads that differ in their defaults have no recipes for that; an axis is no recipe."""
    small = synthetic.trials(seeds=[0], training={"training.batch_size": 32})
    large = synthetic.trials(seeds=[0], workloads=["mnist-lenet5"], training={"training.batch_size": 128})
    frame = pd.concat([small, large.assign(key="m" + large["key"])], ignore_index=True)
    records = synthetic.records(frame)
    assert set(recipes(records, records.trials)) == {""}
    records = searched("training.batch_size", [32, 64])
    found = recipes(records, records.trials)
    assert set(found) == {label("training.batch_size", 32), label("training.batch_size", 64)}
    assert set(recipes(records, records.trials, ["training.batch_size"])) == {""}
