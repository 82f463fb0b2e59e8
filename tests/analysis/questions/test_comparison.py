"""Sweeps side by side: equal ones are called equal, a planted change is found."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from analysis.questions.comparison import compare_sweeps, differing_settings
from analysis.records import Records
from analysis.report import write_comparison
from analysis.sections import comparison
from tests.analysis import synthetic

GRID: dict[str, Any] = {"targets": ["input"], "epsilons": [1, 5], "ps": [0.5]}


def test_equal_sweeps_are_equal(tmp_path: Path) -> None:
    records = synthetic.records(synthetic.trials(**GRID))
    settings, answers, changes = comparison.sections([records, records])
    assert changes.findings == ["All 3 shared configurations gave exactly the same test accuracy."]
    assert settings.findings == ["The sweeps have the same settings and versions."]
    assert answers.findings[:3] == answers.findings[3:]
    assert "Changes" in write_comparison([records, records], tmp_path).read_text()


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
    *_, changes = comparison.sections([one, Records(pd.DataFrame())])
    assert changes.findings == ["The two sweeps share no configuration and seed."]


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


def asked(name: str, **changes: Any) -> Records:
    stages = [{"name": "grid", "search": {"kind": "grid"}, "space": changes.pop("space", {"epsilon": [1]})}]
    stages += changes.pop("more", [])
    sweep = {"name": name, "summary": name, "stages": stages, **changes}
    frame = synthetic.trials(**GRID, seeds=range(2))
    return synthetic.records(
        frame, sweep=sweep, versions={"torch": "1"}, runs=[{"commit": "abc", "host": name}]
    )


def test_only_what_differs_is_listed_by_its_place_in_the_file() -> None:
    """Names, summaries and hosts always differ, and are no settings."""
    several = [
        asked("a", seeds=[0, 1], select={"metric": "accuracy"}),
        asked("b", seeds=[0, 1], select={"metric": "loss"}, space={"epsilon": [1, 5]}),
        asked("c", seeds=[0, 1], select={"metric": "loss"}, more=[{"name": "confirm", "top": 3, "of": None}]),
    ]
    table = differing_settings(several).set_index("setting")
    assert table.to_dict("index") == {
        "select.metric": {"0": "accuracy", "1": "loss", "2": "loss"},
        "grid.space.epsilon": {"0": "1", "1": "1, 5", "2": "1"},
        "confirm.top": {"0": "", "1": "", "2": "3"},
    }


def test_a_page_of_three_has_the_answer_of_each_and_two_comparisons(tmp_path: Path) -> None:
    several = [asked("a"), asked("b"), asked("c<b>", space={"epsilon": [2]})]
    page = write_comparison(several, tmp_path, ["html", "md", "csv", "tex"]).read_text(encoding="utf-8")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")][:4] == [
        "## What differs in their settings",
        "## The answers",
        "## b beside a",
        "## c&lt;b&gt; beside a",
    ]
    assert "<h1>a, b, c&lt;b&gt;</h1>" in page
    assert page.count('<pre tabindex="0">dropattack run ') == 3
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        f"{name}.{kind}" for name in ("settings", "changes-1", "changes-2") for kind in ("csv", "tex")
    }
