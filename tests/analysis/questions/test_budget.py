"""Costs: data saved by hand, and none where nothing is saved; lines join what is scored alike."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.document import Figure
from analysis.figures.budget import gain_by_passes
from analysis.questions import budget
from analysis.records import Metric, Records
from analysis.sections import budget as section
from tests.analysis import synthetic


def size_curves(scores: dict[tuple[str, int], list[float]]) -> pd.DataFrame:
    rows = [
        {"workload": "w", "method": method, "recipe": "", "size": size, "seed": seed, "score": score}
        for (method, size), of_seeds in scores.items()
        for seed, score in enumerate(of_seeds)
    ]
    return pd.DataFrame(rows)


def test_data_saved_by_hand() -> None:
    """At 1,000 examples both seeds reach what standard training needs 10,000 for; at 100 one seed lies below
    its curve, at 10,000 one beyond it."""
    standard = {
        ("standard", 100): [0.5, 0.5],
        ("standard", 1000): [0.6, 0.6],
        ("standard", 10_000): [0.7, 0.7],
    }
    attack = {("fgm", 100): [0.45, 0.6], ("fgm", 1000): [0.7, 0.7], ("fgm", 10_000): [0.65, 0.8]}
    table = budget.data_saved(size_curves(standard | attack), Metric("test_accuracy")).set_index("size")
    assert table["saved"].tolist() == pytest.approx([np.nan, 0.9, np.nan], nan_ok=True)
    assert table[["n", "below", "inside", "beyond"]].to_numpy().tolist() == [
        [2, 1, 1, 0],
        [2, 0, 2, 0],
        [2, 0, 1, 1],
    ]
    (told,) = section._saved_finding(table.reset_index())
    counted = "4 lie within the range of standard training's curve, 1 below it and 1 beyond it"
    assert f"Of 6 results of methods, {counted}" in told
    assert "At 1 of 3 sizes all seeds lie within it. There methods save 90 % of the training data" in told


def test_no_data_is_saved_by_a_method_that_does_nothing() -> None:
    """The smallest size of the null world: half of all seeds lie below the baseline's curve by luck."""
    rng = np.random.default_rng(0)
    truth = {100: 0.63, 500: 0.74, 1000: 0.78, 2500: 0.81}
    claimed = []
    for _ in range(100):
        scores = {
            (method, size): list(rng.normal(mean, 0.01, 5))
            for method in ("standard", "fgm")
            for size, mean in truth.items()
        }
        table = budget.data_saved(size_curves(scores), Metric("test_accuracy"))
        claimed.append((table["low"] > 0).to_numpy())
    assert np.mean(claimed, axis=0).max() <= 0.06


def test_the_headline_of_passes_has_intervals_and_says_when_nothing_stands_out() -> None:
    for effect, apart in ((0.0, False), (0.05, True)):
        frame = synthetic.trials(
            targets=["input"],
            epsilons=[5],
            ps=[0.5],
            ks=[1, 3],
            effect=lambda t, e, p, k, x=effect: x * (k == 3),
        )
        (told,) = section.passes(synthetic.records(frame)).findings
        table = budget.quality_by_passes(synthetic.records(frame), Metric("test_accuracy"))
        best = table.loc[table["gain"].idxmax()]
        ends = f"[{100 * best['gain_low']:+.2f}, {100 * best['gain_high']:+.2f}]".replace("-", "−")
        assert ends in told
        assert ("does not stand out" not in told.partition(";")[0]) == apart


def _k(stage: str, seeds: range, ks: tuple[int, ...], **changes: Any) -> pd.DataFrame:
    """A grid over K that has one setting beside, with results that differ by little."""
    return synthetic.trials(
        targets=["input"], epsilons=[5], ps=[0.5], stage=stage, seeds=seeds, ks=ks, **changes
    )


def _drawn(records: Records) -> dict[str, list[float]]:
    """Passes at the points of every line of the figure, by the line's name."""
    found = section.passes(records)
    assert found is not None
    (figure,) = [part for part in found.parts if isinstance(part, Figure)]
    (axes,) = figure.draw().axes
    lines = {str(line.get_label()): [float(x) for x in line.get_xdata()] for line in axes.get_lines()}
    return {name: passes for name, passes in lines.items() if not name.startswith("_")}


def test_a_line_joins_what_is_scored_alike() -> None:
    """Confirmed gains, searched ones, other models and a relative ε are on lines of their own."""
    searched = _k("grid", range(3), (1, 2, 3))
    fresh = _k("confirm", range(100, 103), (2,))
    assert _drawn(synthetic.records(searched)) == {"dropattack input": [2, 3, 4]}
    both = synthetic.records(pd.concat([searched, fresh], ignore_index=True))
    assert _drawn(both) == {
        "dropattack input · fresh seeds": [3],
        "dropattack input · searched seeds": [2, 4],
    }

    wide = searched.assign(key="wide" + searched["key"], **{"model.width": 64})
    models = pd.concat([searched.assign(**{"model.width": 16}), wide], ignore_index=True)
    by_model = {f"dropattack input · width\N{NO-BREAK SPACE}{width}": [2, 3, 4] for width in (16, 64)}
    assert _drawn(synthetic.records(models)) == by_model

    attack = searched["method"] == "dropattack"
    relative = searched[attack].assign(key="relative" + searched["key"], epsilon_scale="relative")
    scales = pd.concat([searched, relative], ignore_index=True)
    assert _drawn(synthetic.records(scales)) == {
        "dropattack input": [2, 3, 4],
        "dropattack input · relative ε": [2, 3, 4],
    }


def test_values_of_k_under_different_recipes_are_no_series() -> None:
    one = _k("grid", range(3), (1,), training={"training.learning_rate": 0.1})
    three = _k("grid", range(3), (3,), training={"training.learning_rate": 0.01})
    three["key"] = "other" + three["key"]
    assert section.passes(synthetic.records(pd.concat([one, three], ignore_index=True))) is None


@pytest.mark.parametrize(
    ("passes", "whole"), [([2.0, 3.0], True), ([1.0, 2.0, 3.0], True), ([1.5, 2.5], False)]
)
def test_whole_passes_have_whole_ticks(passes: list[float], whole: bool) -> None:
    table = pd.DataFrame({"passes": passes, "k": 1.0, "gain": 0.01, "gain_low": 0.0, "gain_high": 0.02})
    (axes,) = gain_by_passes(table, pd.Series("a", table.index), Metric("test_accuracy")).axes
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert all(float(tick).is_integer() for tick in ticks) == whole
    assert len(ticks) > 1


def test_curves_over_training_size_are_of_one_recipe() -> None:
    """A wider model, which is better, is neither pooled with the other one nor read off its curve."""
    parts = []
    for width, better in ((16, 0.0), (64, 0.05)):
        for size in (100, 1000, 10_000):
            own = _k("grid", range(3), (1,), training={"training.train_size": size, "model.width": width})
            own["key"] = f"{width}-{size}-" + own["key"]
            own["test_accuracy"] += better + 0.01 * np.log10(size)
            parts.append(own)
    records = synthetic.records(pd.concat(parts, ignore_index=True))
    metric = Metric("test_accuracy")
    curves = budget.training_size_curves(records, metric)
    trials = records.trials
    for (recipe, method, size), own in curves.groupby(["recipe", "method", "size"]):
        width = float(str(recipe).partition("\N{NO-BREAK SPACE}")[2])
        alike = (trials["model.width"] == width) & (trials["method"] == method)
        alike &= trials["training.train_size"] == size
        assert sorted(own["score"]) == pytest.approx(sorted(trials.loc[alike, "test_accuracy"]))
    found = section.training_size(records)
    assert found is not None
    (axes,) = next(part for part in found.parts if isinstance(part, Figure)).draw().axes
    names = [line.get_label() for line in axes.get_lines()]
    widths = (f"width\N{NO-BREAK SPACE}{width}" for width in (16, 64))
    assert names == [f"{method} · {width}" for width in widths for method in ("standard", "dropattack")]
    saved = budget.data_saved(curves, metric)
    alone = budget.data_saved(curves[curves["recipe"].str.endswith("16")], metric)
    assert saved[saved["recipe"].str.endswith("16")]["saved"].tolist() == pytest.approx(
        alone["saved"].tolist(), nan_ok=True
    )
