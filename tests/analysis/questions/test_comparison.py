"""Two sweeps: equal ones are called equal, a planted change is found."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from analysis.questions.comparison import compare_sweeps
from analysis.records import Records
from analysis.report import write_report
from analysis.sections import comparison
from tests.analysis import synthetic

GRID: dict[str, Any] = {"targets": ["input"], "epsilons": [1, 5], "ps": [0.5]}


def test_equal_sweeps_are_equal(tmp_path: Path) -> None:
    records = synthetic.records(synthetic.trials(**GRID))
    section = comparison.section(records, records)
    assert section.findings == ["All 3 shared configurations gave exactly the same test accuracy."]
    assert "Changes" in write_report(records, tmp_path, extra=[section]).read_text()


def test_change_equals_the_paired_t_test() -> None:
    before = synthetic.trials(**GRID)
    after = synthetic.trials(**GRID, rng_seed=1)
    table = compare_sweeps(synthetic.records(before), synthetic.records(after))
    baseline = table[table["configuration"].str.startswith("standard")].iloc[0]
    scores = [f.loc[f["method"] == "standard", "test_accuracy"] for f in (after, before)]
    assert baseline["change"] == pytest.approx(scores[0].mean() - scores[1].mean())
    assert baseline["p_value"] == pytest.approx(stats.ttest_rel(*scores).pvalue)


def test_sweeps_without_anything_in_common() -> None:
    one = synthetic.records(synthetic.trials(**GRID))
    other = synthetic.records(synthetic.trials(**GRID, workloads=["mnist-lenet5"]))
    assert compare_sweeps(one, other).empty
    assert comparison.section(one, Records(pd.DataFrame())).findings == [
        "The two sweeps share no configuration and seed."
    ]


def with_sam(rho: float, gain: float) -> Records:
    frame = synthetic.trials(**GRID)
    sam = frame[frame["method"] == "standard"].assign(method="sam", rho=rho)
    sam["test_accuracy"] += gain
    return synthetic.records(pd.concat([frame, sam.assign(key="sam" + sam["key"])]))


def test_settings_that_differ_between_the_sweeps_alone_make_other_configurations() -> None:
    """Each sweep has one rho, so that within it rho tells nothing apart."""
    table = compare_sweeps(with_sam(0.05, 0.0), with_sam(0.5, -0.05))
    assert len(table) == 3
    assert not table["configuration"].str.startswith("sam").any()
    same = compare_sweeps(with_sam(0.05, 0.0), with_sam(0.05, -0.05)).iloc[0]
    assert same["configuration"].startswith("sam")
    assert same["change"] == pytest.approx(-0.05)
