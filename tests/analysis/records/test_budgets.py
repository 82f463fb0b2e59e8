"""Budgets of passes, from epochs and passes that are worked out by hand."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from analysis.questions.answers import Outcome
from analysis.questions.verdict import verdicts
from analysis.records import BUDGET, EPOCHS, Records
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
        # 14 passes are no rest of 20: three more epochs of two would have fit.
        ([("standard", 1, 20), ("sam", 2, 7)], [20, 14]),
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
    found = _records(trials, PASSES, confirm, stage=["grid", "grid", "confirm", "confirm"])
    assert found.trials[BUDGET].tolist() == [10] * 4
    found = _records(trials[1:], PASSES, confirm, stage=["grid", "confirm", "confirm"])
    assert found.trials[BUDGET].tolist() == [9] * 3
    mixed = [{"name": "grid", "search": "grid"}, {**PASSES, "name": "passes"}, confirm]
    trials = [("sam", 2, 5), ("standard", 1, 8), ("sam", 2, 5)]
    found = _records(trials, *mixed, stage=["grid", "passes", "confirm"], epsilon=[1, 2, 1])
    assert found.trials[BUDGET].tolist() == [5, 8, 5], "sam was searched by epochs"
    trials += [("standard", 1, 5), ("standard", 2, 5)]
    stage = ["grid", "passes", "confirm", "confirm", "confirm"]
    found = _records(trials, *mixed, stage=stage, epsilon=[1, 2, 1, 4, 5])
    assert found.trials[BUDGET].tolist() == [5, 8, 5, 5, 5], "so are its baseline and its control"


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
    verb = {Outcome.HELPS: "it helps: +2.00", Outcome.HARMS: "it harms: plain training is better by +2.00"}
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
