"""Methods beside each other: what counts as a test."""

import pytest
from scipy import stats

from analysis.questions import controls
from tests.analysis import synthetic


def test_the_baseline_beside_itself_is_no_hypothesis() -> None:
    """One method is one test: Holm's correction has nothing to correct."""
    records = synthetic.records(synthetic.trials(targets=["input"], epsilons=[1], ps=[0.5]))
    table = controls.compare_methods(controls.scored_methods(records, records.reported)).set_index("family")
    attack, frame = table.loc["dropattack"], records.trials.set_index("seed")
    pairs = [frame.loc[frame["method"] == name, "test_accuracy"] for name in ("dropattack", "standard")]
    assert attack["p_holm"] == attack["p_value"] == pytest.approx(stats.ttest_rel(*pairs).pvalue)
    assert table.loc["standard", ["gain", "p_value", "p_holm"]].isna().all()
    assert not table.loc["standard", "significant"]
