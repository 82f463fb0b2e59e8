"""A contest before its arms meet, from records whose effects are planted."""

from dataclasses import replace

import pandas as pd
import pytest

from analysis.questions.awaited import awaited, without_waiting
from analysis.questions.contest import contests
from analysis.questions.recommendation import Why
from analysis.questions.verdict import Verdict, verdicts
from analysis.records import Records
from analysis.report import sections
from tests.analysis.questions.test_contest import contest_records


def _part(records: Records, rows: pd.Series) -> Records:
    return replace(records, trials=records.trials[rows])


def _searched() -> Records:
    records = contest_records(0.01)
    return _part(records, records.trials["stage"] != "confirm")


def _verdict(records: Records) -> Verdict:
    (found,) = verdicts(records)
    return found


def test_before_arms_meet_the_answer_says_who_will_and_who_leads() -> None:
    """Means of two seeds: sam (0.910 + 0.912) / 2 and so on; no plain training is asked for."""
    found = _verdict(_searched())
    assert found.lines() == [
        "Not tested yet: the best of input and layers will meet the best of the other arms on 12 fresh "
        "seeds.",
        "All arms: the best validation accuracy so far, by the runs that chose it: sam 91.10 % (2 seeds), "
        "layers 90.95 % (2 seeds), input 90.60 % (2 seeds), standard 90.10 % (2 seeds).",
        "Next: run the sweep to its end, since the two sides share no fresh seed yet: `dropattack run s`",
    ]
    use = found.use
    assert use is not None
    assert (use.arm.family, use.why, use.arm.passes, use.arm.n) == ("sam", Why.LEADS, 2.0, 0)
    told = found.to_dict()
    assert (told["contest"], told["use"]["mean"]) == (None, None)
    assert told["awaited"]["valid"]["layers"] == {"mean": pytest.approx(0.9095), "n": 2}


def test_arms_without_a_result_are_named() -> None:
    records = _searched()
    early = _part(records, records.trials["stage"].isin(["standard", "input"]))
    line = dict(_verdict(early).headed_lines())["All arms"]
    assert line.endswith(
        "input 90.60 % (2 seeds), standard 90.10 % (2 seeds). Without a result: sam and layers."
    )
    one_side = _part(records, records.trials["stage"] == "sam")
    assert awaited(one_side)["w"].missing == ["standard", "input", "layers"]


def test_the_best_is_the_smallest_where_less_is_better() -> None:
    records = _searched()
    trials = records.trials.assign(value=1 - records.trials["value"])
    smaller = replace(records, trials=trials, select="valid_loss", mode="min")
    ranked = [each.arm for each in awaited(smaller)["w"].ranked]
    assert ranked == ["sam", "layers", "input", "standard"]


def test_one_side_on_fresh_seeds_is_not_yet_a_contest() -> None:
    records = contest_records(0.01)
    fresh = records.trials["stage"] == "confirm"
    begun = _part(records, ~fresh | (records.trials["method"] != "dropattack"))
    assert contests(begun) == {}
    found = _verdict(begun)
    assert found.lines()[0].startswith("Not tested yet")
    assert found.use is not None
    assert (found.use.arm.family, found.use.arm.n, found.use.why) == ("sam", 0, Why.LEADS)
    assert awaited(records) == {}


@pytest.mark.parametrize(("gain", "seeds"), [(0.01, 4), (-0.03, 4), (0.0, 11)])
@pytest.mark.parametrize("state", ["running", None])
def test_nothing_is_told_of_fresh_seeds_until_both_sides_have_ended_on_all(
    gain: float, seeds: int, state: str | None
) -> None:
    """Trials of the further seeds run, or do not exist yet: all answers are those without any fresh seed."""
    records = contest_records(gain, controls={"eps-zero": 0.01, "p-one": 0.0})
    late = (records.trials["stage"] == "confirm") & (records.trials["seed"] >= 100 + seeds)
    late &= records.trials["targets"] == "fc1.w"
    running = replace(records, trials=records.trials.assign(state=records.trials["state"].mask(late, state)))
    part = running if state else _part(records, ~late)
    found, before = _verdict(part), _verdict(_searched())
    assert contests(part) == {}
    first, second, third = found.lines()
    assert first.startswith(f"Not tested yet: layers and sam have ended on {seeds} of 12 fresh seeds. ")
    assert second == before.lines()[1]
    assert third == f"Next: finish the confirmation, which has {seeds} of 12 seeds: `dropattack run s`"
    told, told_before = found.to_dict(), before.to_dict()
    for answer in ("metric", "equal_cost", "equal_epochs", "baseline", "beaten_by", "layers", "contest"):
        assert told[answer] == told_before[answer]
    assert found.use is not None
    assert (found.use.arm.family, found.use.arm.n, found.use.why) == ("sam", 0, Why.LEADS)
    answers = ([s for s in sections(each) if s.name != "trials"] for each in (part, _searched()))
    ours, theirs = ([(s.name, len(s.parts), s.findings) for s in each[1:]] for each in answers)
    assert ours == theirs


def test_what_one_workload_waits_for_hides_nothing_of_another() -> None:
    records = contest_records(0.01, workloads=("w", "x"))
    late = (records.trials["stage"] == "confirm") & (records.trials["workload"] == "x")
    part = _part(records, ~late | (records.trials["seed"] < 105))
    assert list(contests(part)) == ["w"]
    assert awaited(part)["x"].ended == 5
    looked_at = without_waiting(part).trials
    fresh = looked_at[looked_at["stage"] == "confirm"]
    assert set(fresh["workload"]) == {"w"}
    assert len(fresh) == 48
    assert without_waiting(records) is records


def test_workloads_that_met_and_that_did_not_are_told_apart() -> None:
    records = contest_records(0.01, workloads=("w", "x"))
    late = (records.trials["stage"] == "confirm") & (records.trials["workload"] == "x")
    first, second = verdicts(_part(records, ~late))
    assert first.contest is not None
    assert (first.awaited, second.contest) == (None, None)
    assert second.lines()[0].startswith("Not tested yet")


def test_a_workload_that_the_contest_leaves_out_has_its_own_answer() -> None:
    records = _searched()
    *stages, confirm = records.sweep["stages"]
    apart = replace(records, sweep={**records.sweep, "stages": [*stages, {**confirm, "workloads": ["x"]}]})
    assert awaited(apart) == {}
    assert _verdict(apart).lines()[0].startswith("Not tested at equal cost")


@pytest.mark.parametrize("left", [["layers"], ["standard", "sam"]])
def test_a_workload_without_one_of_the_sides_has_no_contest(left: list[str]) -> None:
    """Stages may be of some workloads alone."""
    records = _searched()
    stages = [
        {**stage, "workloads": ["w"] if stage["name"] in (*left, "confirm") else ["x"]}
        for stage in records.sweep["stages"]
    ]
    part = _part(records, records.trials["stage"].isin(left))
    assert awaited(replace(part, sweep={**records.sweep, "stages": stages})) == {}


def test_arms_of_other_workloads_are_not_named() -> None:
    records = _searched()
    stages = [
        {**stage, **({"workloads": ["x"]} if stage["name"] in ("input", "standard") else {})}
        for stage in records.sweep["stages"]
    ]
    part = _part(records, records.trials["stage"].isin(["layers", "sam"]))
    first, second, _ = _verdict(replace(part, sweep={**records.sweep, "stages": stages})).lines()
    assert first == "Not tested yet: layers will meet the best of the other arms on 12 fresh seeds."
    assert "Without a result" not in second


def test_a_side_whose_trials_all_failed_is_not_waited_for() -> None:
    records = contest_records(0.01)
    fresh = records.trials["stage"] == "confirm"
    lost = fresh & (records.trials["targets"] == "fc1.w")
    trials = records.trials.assign(state=records.trials["state"].mask(lost, "failed"))
    found = _verdict(replace(records, trials=trials))
    assert found.lines()[0].startswith("Not tested: of layers and sam one has no result, ")
    step = found.next
    assert step.text.startswith("see why the trials of one side failed")
    assert step.command == "dropattack run s --retry-failed"


def test_an_arm_without_a_result_of_its_search_is_not_waited_for_once_all_has_ended() -> None:
    """Every trial of both arms in question failed, and the others have trained on all fresh seeds."""
    records = contest_records(0.01)
    lost = records.trials["method"] == "dropattack"
    trials = records.trials.assign(state=records.trials["state"].mask(lost, "failed"))
    searches = records.trials["stage"] != "confirm"
    assert _verdict(replace(records, trials=trials[searches])).next.text.startswith(
        "run the sweep to its end"
    )
    step = _verdict(replace(records, trials=trials[searches | ~lost])).next
    assert step.text.startswith("see why the trials of one side failed")


def test_of_equal_arms_the_one_that_will_meet_leads() -> None:
    """Both arms in question reach the same on validation; the one with more seeds is the contender."""
    records = _searched()
    value = records.trials["value"].mask(records.trials["targets"].isin(["input", "fc1.w"]), 0.95)
    drop = (records.trials["targets"] == "input") & (records.trials["seed"] == 1)
    even = replace(records, trials=records.trials.assign(value=value)[~drop])
    found = awaited(even)["w"]
    assert [each.arm for each in found.ranked][:2] == ["layers", "input"]


def test_a_page_without_fresh_seeds_shows_no_forest_of_gains() -> None:
    """Not even of arms that share all their settings with plain training."""
    records = _searched()
    alike = replace(records, trials=records.trials.assign(**{"training.learning_rate": 0.001}))
    assert sections(replace(alike, sweep={**alike.sweep, "stages": []}))[0].parts
    answer = sections(alike)[0]
    assert answer.name == "verdict"
    assert answer.parts == []
