"""Who goes on at ASHA's rungs, worked out by hand, as Ray's scheduler decides it without a run of Tune's."""

from dataclasses import dataclass

import pytest

from search.definition.select import Select
from search.definition.sweep import Asha
from search.engine.rungs import Rungs
from search.records.record import Record, State
from trainables.recipe.settings import TrainingSettings
from trainables.trial import Trial

BUDGET = 4
REPORTS = [
    ("a", 1, 0.50, True),  # the first at a rung
    ("b", 1, 0.40, False),  # below 0.5
    ("c", 1, 0.60, True),  # above the median of 0.5 and 0.4
    ("d", 1, 0.47, False),  # below the median of 0.5, 0.4 and 0.6, which is 0.5
    ("a", 2, 0.55, True),
    ("c", 2, 0.52, False),  # the best at the rung before, and below 0.55 at this one
    ("a", 3, 0.10, True),  # between two rungs nobody is stopped
    ("a", 4, 0.60, False),  # the budget is used up
]
"""Trial, epoch, value and whether the trial goes on, with rungs at 1, 2 and 4 that half of them pass."""


@dataclass(frozen=True)
class Measure:
    """What a trial is compared by, and how a value of `REPORTS` reads in it."""

    metric: str
    sign: float


MEASURES = [Measure("accuracy", 1.0), Measure("loss", -1.0)]


def rungs(measure: Measure, records: list[Record]) -> Rungs:
    asha = Asha(grace_period=1, reduction_factor=2)
    return Rungs(asha, BUDGET, Select(metric=measure.metric), lambda trial, epoch: epoch, records)


def named(names: str = "abcd") -> dict[str, Record]:
    records = {}
    for number, name in enumerate(names):
        trial = Trial.make("digits-lenet5", "standard", {}, TrainingSettings(), number, "checksum")
        records[name] = Record(number, "stage", trial, trial.identity)
    return records


def metrics(measure: Measure, epoch: int, value: float, at: float = 0.0) -> dict[str, float]:
    return {"epoch": epoch, f"valid_{measure.metric}": measure.sign * value, "recorded_at": at}


@pytest.mark.parametrize("measure", MEASURES)
def test_the_better_half_goes_on_at_each_rung(measure: Measure) -> None:
    asked, records = rungs(measure, []), named()
    decisions = [asked.goes_on(records[name], metrics(measure, e, value)) for name, e, value, _ in REPORTS]
    assert decisions == [goes_on for *_, goes_on in REPORTS]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("known", range(len(REPORTS) + 1))
def test_rungs_rebuilt_after_any_report_decide_as_if_nothing_had_happened(
    measure: Measure, known: int
) -> None:
    """The process ends before it carries out what it decided last; every running trial reports again."""
    records = named()
    for at, (name, epoch, value, goes_on) in enumerate(REPORTS[:known]):
        records[name].epochs.append(metrics(measure, epoch, value, at))
        if not goes_on and at < known - 1:
            records[name].state = State.PRUNED
    rebuilt = rungs(measure, list(records.values()))
    again = {
        name: rebuilt.goes_on(record, record.epochs[-1])
        for name, record in records.items()
        if record.epochs and not record.finished
    }
    last = {name: goes_on for name, _, _, goes_on in REPORTS[:known][-1:]}
    assert again == dict.fromkeys(again, True) | last
    decisions = [
        rebuilt.goes_on(records[name], metrics(measure, e, value)) for name, e, value, _ in REPORTS[known:]
    ]
    assert decisions == [goes_on for *_, goes_on in REPORTS[known:]]


SEVERAL = Select.model_validate({"metrics": ["accuracy", "loss"], "constraints": ["accuracy >= 0.5"]})
FRONTS = [
    ("a", 1, (0.50, 0.50), True),  # the first at a rung
    ("b", 1, (0.40, 0.60), False),  # a is better in both, and one of two goes on
    ("c", 1, (0.60, 0.90), True),  # on the front with a, each at its end
    ("d", 1, (0.45, 0.40), True),  # on the front, at its other end
    ("e", 1, (0.48, 0.45), False),  # on the front too, but c and d are its ends and a is less crowded
    ("a", 2, (0.55, 0.50), True),
    ("c", 2, (0.52, 0.60), False),  # at the next rung a is better in both
    ("d", 3, (0.10, 0.90), False),  # a rung that was left out counts for what it has reached then
    ("a", 3, (0.10, 9.00), True),  # between two rungs nobody is stopped
    ("a", 4, (0.60, 0.50), False),  # the budget is used up
]
"""Trial, epoch, accuracy and loss, and whether the trial goes on, where half go on at 1 and 2 of 4 epochs."""


def several(known: list[Record]) -> Rungs:
    asha = Asha(grace_period=1, reduction_factor=2)
    return Rungs(asha, BUDGET, SEVERAL, lambda trial, epoch: epoch, known)


def both(epoch: int, values: tuple[float, float], at: float = 0.0) -> dict[str, float]:
    return {"epoch": epoch, "valid_accuracy": values[0], "valid_loss": values[1], "recorded_at": at}


@pytest.mark.parametrize("known", range(len(FRONTS) + 1))
def test_of_several_metrics_the_better_half_of_the_fronts_goes_on_killed_or_not(known: int) -> None:
    records = named("abcde")
    for at, (name, epoch, values, goes_on) in enumerate(FRONTS[:known]):
        records[name].epochs.append(both(epoch, values, at))
        records[name].state = State.RUNNING if goes_on else State.PRUNED
    asked = several(list(records.values()))
    for record in records.values():
        if record.epochs and not record.finished:
            assert asked.goes_on(record, record.epochs[-1])
    decisions = [asked.goes_on(records[name], both(e, values)) for name, e, values, _ in FRONTS[known:]]
    assert decisions == [goes_on for *_, goes_on in FRONTS[known:]]


def test_passes_of_the_whole_training_count_at_a_rung_and_what_is_not_finite_is_compared_with_nothing() -> (
    None
):
    select = Select.model_validate({"metrics": ["accuracy", "passes"], "constraints": ["passes <= 30"]})
    asha = Asha(grace_period=1, reduction_factor=2)
    asked = Rungs(asha, BUDGET, select, lambda trial, epoch: epoch, [])
    found = {}
    for number, k in enumerate((4, 1, 1)):
        trial = Trial.make("digits-lenet5", "dropattack", {"k": k}, TrainingSettings(), number, "checksum")
        found[number] = Record(number, "stage", trial, trial.identity)
    same = {"epoch": 1.0, "valid_accuracy": 0.5}
    assert asked.goes_on(found[1], same | {"valid_accuracy": float("nan")})
    assert asked.goes_on(found[2], same), "the first that counts"
    assert not asked.goes_on(found[0], same), "as accurate, and dearer"
