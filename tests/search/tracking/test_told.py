"""What the run of a sweep in MLflow says of its verdict."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.questions.verdict import verdicts
from search.records.notes import NotedVerdicts
from search.tracking.told import told
from tests.analysis.questions.test_contest import FRESH, contest_records
from tests.search.simulation import sweep


def test_what_arms_gained_over_each_other_are_metrics() -> None:
    """Seed by seed on the fresh seeds, of each workload."""
    workloads = ("w", "x")
    records = contest_records(0.01, controls={"eps-zero": 0.01, "p-one": 0.0}, workloads=workloads)
    noted: NotedVerdicts = {
        "finished": 1,
        "verdicts": json.loads(json.dumps([each.to_dict() for each in verdicts(records)])),
    }
    found = told(sweep(), [], noted)
    fresh = records.trials[records.trials["stage"] == "confirm"].sort_values("seed")
    for workload in workloads:
        own, end = fresh[fresh["workload"] == workload], f".{workload}"
        layers = own[own["targets"] == "fc1.w"]
        others = {
            "over/standard": own[own["method"] == "standard"],
            "over/sam": own[own["method"] == "sam"],
            "over/input": own[own["targets"] == "input"],
            "over_control/eps-zero": layers[layers["control"] == "eps-zero"],
            "over_control/p-one": layers[layers["control"] == "p-one"],
        }
        values = layers[layers["control"].isna()]["test_accuracy"].to_numpy()
        assert len(values) == FRESH
        for name, rows in {**others, "contest": others["over/sam"]}.items():
            differences = values - rows["test_accuracy"].to_numpy()
            half = (
                2.200985 * np.std(differences, ddof=1) / np.sqrt(FRESH)
            )  # Student's t of 11 degrees, 97.5 %
            assert found.metrics[f"gain/{name}{end}"] == pytest.approx(differences.mean())
            assert found.metrics[f"gain/{name}_low{end}"] == pytest.approx(
                differences.mean() - half, rel=1e-5
            )
            assert found.metrics[f"gain/{name}_high{end}"] == pytest.approx(
                differences.mean() + half, rel=1e-5
            )
            assert found.metrics[f"gain/{name}_seeds{end}"] == FRESH
        words = {
            name: found.tags[f"dropattack.verdict.contest{name}{end}"]
            for name in ("", ".contender", ".rival")
        }
        assert list(words.values()) == ["helps", "layers", "sam"]


def test_a_note_from_before_has_the_contest_alone() -> None:
    """An earlier version noted of a contest its primary contrast, and of others no contest at all."""
    (verdict,) = (each.to_dict() for each in verdicts(contest_records(0.01)))
    del verdict["contest"]["over_arms"], verdict["contest"]["over_controls"]
    metrics = told(sweep(), [], {"finished": 1, "verdicts": [verdict]}).metrics
    assert {"gain/contest", "gain/equal_cost_seeds"} <= metrics.keys()
    del verdict["contest"]
    metrics = told(sweep(), [], {"finished": 1, "verdicts": [verdict]}).metrics
    assert "gain/equal_cost_seeds" in metrics
    assert "gain/contest" not in metrics


def test_before_arms_meet_there_is_no_number_of_the_best() -> None:
    """Its arm leads on validation, which is no result."""
    records = contest_records(0.01)
    searched = replace(records, trials=records.trials[records.trials["stage"] != "confirm"])
    (verdict,) = (each.to_dict() for each in verdicts(searched))
    noted: NotedVerdicts = {"finished": 1, "verdicts": json.loads(json.dumps([verdict]))}
    found = told(sweep(), [], noted)
    assert [name for name in found.metrics if name.startswith("best/")] == []
    assert found.tags["dropattack.verdict.use"].startswith("sam · rho")
    assert found.tags["mlflow.note.content"].startswith("Not tested yet: ")


def test_a_contest_that_waits_takes_back_what_it_has_told() -> None:
    """Failed seeds are tried again, or more seeds are asked for: every tag of the contest becomes empty."""
    records = contest_records(0.01)
    last = (records.trials["stage"] == "confirm") & (records.trials["seed"] == 111)
    part = replace(records, trials=records.trials[~last])
    before, after = (
        told(sweep(), [], {"finished": 1, "verdicts": [each.to_dict() for each in verdicts(own)]})
        for own in (records, part)
    )
    told_before = {name: value for name, value in before.tags.items() if ".contest" in name and value}
    assert len(told_before) == 7
    assert {after.tags[name] for name in told_before} == {""}
    assert not any(
        name.startswith("gain/") and value == value
        for name, value in after.metrics.items()
        if "seeds" not in name
    )
    assert after.metrics["gain/equal_cost_seeds"] == 0
