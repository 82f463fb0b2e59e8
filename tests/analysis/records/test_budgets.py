"""Budgets of passes, from epochs and passes that are worked out by hand."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from analysis.questions.answers import Outcome
from analysis.questions.comparison import compare_sweeps
from analysis.questions.verdict import verdicts
from analysis.records import BUDGET, COUNTED, EPOCHS, Records
from analysis.report import sections
from tests.analysis.ways import around, way

PASSES = {"name": "grid", "budget": "passes", "search": "grid"}


def _records(trials: Sequence[tuple[str, float, float]], *stages: dict[str, Any], **changes: Any) -> Records:
    """One trial for each method, passes an epoch, and number of epochs."""
    rows = [
        {"workload": "w", "stage": "grid", "state": "complete", "method": method, "passes": passes}
        | {EPOCHS: epochs, "seed": 0, "value": 0.9, "key": f"{place:02d}", "epsilon": place + 1}
        for place, (method, passes, epochs) in enumerate(trials)
    ]
    frame = pd.DataFrame(rows).assign(**changes)
    return Records(frame, sweep={"name": "s", "stages": list(stages or (PASSES,))})


@pytest.mark.parametrize(
    ("trials", "budgets"),
    [
        # 5 × 2 and 3 × 3 passes of 10: a fourth epoch of three does not fit.
        ([("standard", 1, 10), ("sam", 2, 5), ("dropattack", 3, 3)], [10, 10, 10]),
        # 2 × 3 of 8, 5 × 3 of 16, 2 × 9 of 24.
        (
            [*(("standard", 1, e) for e in (8, 16, 24)), *(("a", 3, 2), ("b", 3, 5), ("c", 9, 2))],
            [8, 16, 24, 8, 16, 24],
        ),
        # 22 × 1.05 = 23.1 of 24.
        ([("standard", 1, 24), ("late", 1.05, 22)], [24, 24]),
        # One epoch that costs more than the whole budget is trained all the same.
        ([("standard", 1, 10), ("freeat", 13, 1)], [10, 10]),
        # Nothing says what was asked for but the costliest training.
        ([("sam", 2, 5), ("dropattack", 3, 3)], [10, 10]),
        # Plain training in two rounds takes the budget too.
        ([("standard", 1, 10), ("standard", 2, 5)], [10, 10]),
    ],
)
def test_a_budget_is_that_of_plain_training(
    trials: list[tuple[str, float, float]], budgets: list[float]
) -> None:
    records = _records(trials)
    assert records.trials[BUDGET].tolist() == budgets
    assert BUDGET in records.training
    assert EPOCHS not in records.training
    assert EPOCHS in records.spelling


@pytest.mark.parametrize(
    ("epochs", "trials", "budgets"),
    [
        # The least that is asked for and enough, whatever plain training was asked for elsewhere.
        (12, [("dropattack", 7, 1), ("dropattack", 3, 4)], [12, 12]),
        ([8, 16], [("dropattack", 3, 5), ("dropattack", 3, 2)], [16, 8]),
        # An epoch of a late attack costs four passes of which the average is 1.25.
        (10, [("late", 3, 2)], [10]),
        # A range has every whole number, or those that its steps reach.
        ({"low": 4, "high": 20, "step": None}, [("dropattack", 3, 6), ("late", 1.05, 22)], [18, 24]),
        ({"low": 4, "high": 20, "step": 4}, [("dropattack", 3, 5)], [16]),
    ],
)
def test_a_budget_is_what_the_stage_asks_for(
    epochs: Any, trials: list[tuple[str, float, float]], budgets: list[float]
) -> None:
    stage = {**PASSES, "training": {"epochs": epochs}}
    plain = {"name": "plain", "search": "grid"}
    trials = [("standard", 1, 8), *trials]
    records = _records(trials, plain, stage, stage=["plain", *["grid"] * (len(trials) - 1)])
    assert records.trials[BUDGET].tolist() == [8, *budgets]


def test_where_epochs_count_there_is_no_budget() -> None:
    records = _records([("standard", 1, 10), ("sam", 2, 10)], {"name": "grid", "search": "grid"})
    assert BUDGET not in records.trials
    assert EPOCHS in records.training


def test_stages_that_count_epochs_keep_them_beside_others() -> None:
    other = {"name": "other", "search": "grid"}
    trials = [("standard", 1, 10), ("sam", 2, 5), ("standard", 1, 6), ("sam", 2, 6)]
    stage = ["grid", "grid", "other", "other"]
    assert _records(trials, PASSES, other, stage=stage).trials[BUDGET].tolist() == [10, 10, 6, 6]


def test_a_confirmation_has_the_budget_of_what_it_runs_again() -> None:
    confirm = {"name": "confirm", "search": {"kind": "confirm", "seeds": [100]}}
    trials = [("standard", 1, 10), ("dropattack", 3, 3), ("standard", 1, 9), ("dropattack", 3, 3)]
    stage, same = ["grid", "grid", "confirm", "confirm"], [1, 2, 1, 2]
    found = _records(trials, PASSES, confirm, stage=stage, epsilon=same)
    assert found.trials[BUDGET].tolist() == [10] * 4, "also of plain training that gets no more passes"
    found = _records(trials[1:], PASSES, confirm, stage=stage[1:], epsilon=same[1:])
    assert found.trials[BUDGET].tolist() == [9] * 3
    mixed = [{"name": "grid", "search": "grid"}, {**PASSES, "name": "passes"}, confirm]
    trials = [("sam", 2, 5), ("standard", 1, 8), ("sam", 2, 5)]
    found = _records(trials, *mixed, stage=["grid", "passes", "confirm"], epsilon=[1, 2, 1])
    assert found.trials[BUDGET].tolist() == [5, 8, 5], "sam was searched by epochs"
    trials += [("standard", 1, 5), ("standard", 2, 5)]
    stage = ["grid", "passes", "confirm", "confirm", "confirm"]
    found = _records(trials, *mixed, stage=stage, epsilon=[1, 2, 1, 4, 5])
    assert found.trials[BUDGET].tolist() == [5, 8, 5, 5, 5], "so are its baseline and its control"


def test_a_trial_of_unknown_passes_has_no_budget() -> None:
    budgets = _records([("standard", 1, 10), ("sam", float("nan"), 5)]).trials[BUDGET]
    assert budgets.dropna().tolist() == [10]


def test_an_exported_budget_is_worked_out_anew() -> None:
    records = _records([("standard", 1, 10), ("sam", 2, 5)])
    again = Records(records.trials.assign(**{BUDGET: 3.0}), sweep=records.sweep)
    assert again.trials[BUDGET].tolist() == [10, 10]
    assert BUDGET not in Records(again.trials, sweep={"name": "s"}).trials


@pytest.mark.parametrize(
    ("gain", "outcome"), [(0.02, Outcome.HELPS), (-0.02, Outcome.HARMS), (0.0, Outcome.UNDECIDED)]
)
def test_what_costs_as_much_is_compared_at_equal_cost(gain: float, outcome: Outcome) -> None:
    """Plain training of ten epochs, an attack of three passes for three, and one of two for five."""
    frames = [
        way("baseline", around(0.9), **{EPOCHS: 10.0}),
        way("attack", around(0.9 + gain, 0.02 if not gain else 0.003), passes=3.0, **{EPOCHS: 3.0}),
        way("attack", around(0.85), targets="conv1.w", **{EPOCHS: 5.0}),
    ]
    records = Records(pd.concat(frames, ignore_index=True), sweep={"name": "s", "stages": [PASSES]})
    (found,) = verdicts(records)
    assert found.equal_cost.outcome is outcome
    assert found.equal_epochs.outcome is Outcome.UNTESTED
    lines = dict(found.headed_lines())
    verb = {
        Outcome.HELPS: "dropattack helps: +2.00",
        Outcome.HARMS: "dropattack harms: plain training is better by +2.00",
    }
    assert lines["Equal cost"].startswith(f"At equal cost {verb.get(outcome, 'it is undecided')}")
    assert lines["Equal cost"].endswith(" It takes 9 of 10 passes, as another epoch does not fit.")
    assert lines["Equal epochs"] == (
        "Not tested at equal epochs: the budget gives it 3 epochs, and plain training 10."
    )
    use = "dropattack input · ε 1 · p 0.5 · K 1 · epochs 3" if gain > 0 else "plain training"
    assert lines["What to use"].replace("\xa0", " ").startswith(f"Use {use}, ")
    if gain:
        assert lines["Next"] == "Next: nothing more is needed to answer this."
    told = " ".join(note for section in sections(records) for note in section.notes)
    assert "All comparisons are at equal passes; attacks train for fewer epochs." in told
    assert "equal-passes (" not in told


def test_a_choice_among_costs_that_differ_is_at_equal_cost() -> None:
    """One seed's others choose five epochs of two passes, another's three of three: 10 and 9 of 10."""
    cheap, costly = [0.92, 0.93, 0.92, 0.93], [0.93, 0.92, 0.93, 0.92]
    frames = [
        way("baseline", around(0.9, n=4), **{EPOCHS: 10.0}),
        way("attack", cheap, **{EPOCHS: 5.0}),
        way("attack", costly, passes=3.0, k=2.0, **{EPOCHS: 3.0}).assign(key=lambda f: "k2" + f["key"]),
    ]
    records = Records(pd.concat(frames, ignore_index=True), sweep={"name": "s", "stages": [PASSES]})
    (found,) = verdicts(records)
    assert found.method is not None
    assert found.method.total == pytest.approx(9.5)
    assert found.equal_cost.outcome is not Outcome.UNTESTED
    assert "It takes 9.5 of 10 passes" in found.lines()[0]


def test_an_epoch_too_long_for_the_budget_is_not_called_equal_cost() -> None:
    """Six passes are 60 % of a budget of ten, thirteen are more than all of it."""
    for passes, told in ((6.0, "take 6 passes"), (13.0, "take 13 passes")):
        frames = [
            way("baseline", around(0.9), **{EPOCHS: 10.0}),
            way("attack", around(0.8), passes=passes, **{EPOCHS: 1.0}),
        ]
        records = Records(pd.concat(frames, ignore_index=True), sweep={"name": "s", "stages": [PASSES]})
        (found,) = verdicts(records)
        lines = dict(found.headed_lines())
        assert found.equal_cost.outcome is found.equal_epochs.outcome is Outcome.UNTESTED
        assert f"its whole epochs {told}, and the budget is 10" in lines["Equal cost"]
        assert f"in a budget that epochs of {passes:g} passes fill" in lines["Next"]


@pytest.mark.parametrize("longer", [0.95, 0.85])
def test_attacks_that_count_differently_are_apart_beside_one_plain_training(longer: float) -> None:
    """Ten epochs of two passes are no candidate beside five: each is compared with ten of one."""
    stages = [PASSES, {"name": "epochs", "search": "grid"}]
    frames = [
        way("baseline", around(0.88), stage="epochs", **{EPOCHS: 10.0}),
        way("attack", around(longer), stage="epochs", **{EPOCHS: 10.0}),
        way("attack", around(0.9), **{EPOCHS: 5.0}),
    ]
    records = Records(pd.concat(frames, ignore_index=True), sweep={"name": "s", "stages": stages})
    assert COUNTED in records.training
    assert COUNTED not in records.pair
    (found,) = verdicts(records)
    assert found.method is not None
    if longer > 0.9:
        assert (found.method.epochs, found.equal_cost.outcome) == (10, Outcome.UNTESTED)
        assert found.equal_epochs.effect.gain == pytest.approx(longer - 0.88)
    else:
        assert (found.method.epochs, found.equal_epochs.outcome) == (5, Outcome.UNTESTED)
        assert found.equal_cost.effect.gain == pytest.approx(0.02)


def test_sweeps_that_count_differently_are_compared_by_epochs() -> None:
    """Five epochs of two passes are one training, however they were asked for."""
    frames = [way("attack", around(0.9), **{EPOCHS: 5.0}), way("baseline", around(0.9), **{EPOCHS: 10.0})]
    frame = pd.concat(frames, ignore_index=True)
    sides = [Records(frame, sweep={"name": "s", "stages": stages}) for stages in ([PASSES], [])]
    assert len(compare_sweeps(*sides)) == 2
