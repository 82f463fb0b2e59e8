"""What reports say first: never a number alone, never more certain than the numbers are."""

import pandas as pd
import pytest

from analysis.importance import importances
from analysis.sections import importance, overview
from tests.analysis import synthetic


@pytest.mark.parametrize(("effect", "apart"), [(0.0, False), (0.05, True)])
def test_importances_are_told_with_their_ranges(effect: float, apart: bool) -> None:
    frame = synthetic.trials(
        effect=lambda targets, epsilon, p, k: effect * (epsilon > 0.5),
        epsilons=[0.1, 0.2, 1, 2],
        noise=0.001,
    )
    records = synthetic.records(frame)
    (told,) = importance.section(records).findings
    table = importances(records)
    for _, found in table.groupby("evaluator"):
        first, second = found.sort_values("importance", ascending=False).head(2).to_dict("records")
        ends = ", ".join(f"{100 * first[end]:.0f}" for end in ("low", "high"))
        assert f"{first['hyperparameter']} matters most ({100 * first['importance']:.0f} [{ends}] %)" in told
        assert (first["low"] > second["high"]) == apart, "what the sentence must say"
    assert ("does not stand out: ranges overlap" not in told) == apart


def test_searched_and_fresh_seeds_are_not_added_up() -> None:
    """2 searched and 3 fresh seeds: no test pairs more than 3, and 3 pairs cannot go below 2/2³."""
    searched = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.5], seeds=range(2))
    fresh = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=range(7, 10), stage="confirm")
    notes = overview.section(synthetic.records(pd.concat([searched, fresh]))).notes
    assert [note for note in notes if "With at most 3 seeds paired" in note and "p = 0.25" in note]


def test_six_pairs_need_no_caution() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1], ps=[0.5], seeds=range(6))
    assert overview.section(synthetic.records(frame)).notes == []
