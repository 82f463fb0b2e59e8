"""Costs: data saved by hand, and none where nothing is saved."""

import numpy as np
import pandas as pd
import pytest

from analysis.questions import budget
from analysis.records import Metric
from analysis.sections import budget as section
from tests.analysis import synthetic


def size_curves(scores: dict[tuple[str, int], list[float]]) -> pd.DataFrame:
    rows = [
        {"workload": "w", "method": method, "size": size, "seed": seed, "score": score}
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
    assert (
        "Of 6 results of methods 4 lie on the curve of standard training, 1 below it and 1 beyond it" in told
    )
    assert "At 1 of 3 sizes all seeds do: there methods save 90 % of the training data" in told


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
