"""Times from records that follow a law known beforehand."""

from typing import Any

import pytest

from dropattack import UsageError
from search.engine.costs.portions import of_trials
from search.engine.costs.rates import rates_of, rates_of_records
from search.records.record import Record, State
from trainables.recipe.settings import TrainingSettings
from trainables.trial import Trial

PASS, VALIDATION, TEST = 0.002, 3.0, 7.0
"""Seconds of a pass over one example, of a validation, and of a test."""
SIZE = 1200
"""Examples that a trial trains on that names no number."""


def trial(method: str = "dropattack", model: Any = None, **training: Any) -> Trial:
    hyperparameters = {"targets": "input+conv1.w"} if method == "dropattack" else {}
    settings = TrainingSettings(**{"epochs": 3, **training})
    return Trial.make("digits-lenet5", method, hyperparameters, settings, 0, "data", model=model or {})


def examples(of: Trial) -> int:
    return of.training_settings.train_size or SIZE


def record(of: Trial, slower: float = 1.0, epochs: int = 3, **more: float) -> Record:
    """A record by the law; ``slower`` multiplies all of its times."""
    found = Record(0, "stage", of, of.identity, state=State.COMPLETE)
    for epoch in range(1, epochs + 1):
        trained = of.passes_in(epoch) * examples(of) * PASS
        beside = VALIDATION + TEST * (epoch == of.training_settings.epochs)
        times = {"train_seconds": slower * trained, "seconds": slower * (trained + beside)}
        found.epochs.append({"epoch": epoch, **times, **more})
    return found


def law(trials: list[Trial]) -> float:
    return sum(
        each.passes_in_all * examples(each) * PASS + each.training_settings.epochs * VALIDATION + TEST
        for each in trials
    )


@pytest.mark.parametrize("recorded", [{"train_size": 100}, {}, {"train_size": 900, "epochs": 5}])
def test_a_record_of_any_size_tells_the_time_of_any_other(recorded: Any) -> None:
    """More examples, epochs, passes and trials: all that the law has."""
    planned = [trial(train_size=400), trial(epochs=10), trial("standard", train_size=50), trial("pgd")]
    sizes = {"epochs": 3, **recorded}
    known = [record(trial(**sizes), epochs=sizes["epochs"])]
    for each in planned:
        rates = rates_of_records(known, each, examples)
        assert rates is not None
        assert rates.alike
        (portion,) = of_trials([each, each])
        assert rates.seconds(portion, examples(each)) == pytest.approx(law([each, each]))


def test_each_method_has_its_own_time_of_a_pass() -> None:
    known = [record(trial()), record(trial("standard"), slower=2.0)]
    found = rates_of_records(known, trial(), examples)
    assert found is not None
    assert found.passes == pytest.approx({"dropattack": PASS, "standard": 2 * PASS})
    (portion,) = of_trials([trial("pgd")])
    other = portion.passes * SIZE * 1.5 * PASS
    beside = 3 * found.validation + found.test
    assert found.seconds(portion, SIZE) == pytest.approx(other + beside), "the middle of those that are known"


def test_the_nearest_settings_are_gone_by() -> None:
    wide = trial(model={"hidden1": 600})
    known = [record(wide, slower=5.0), record(trial(batch_size=32), slower=3.0), record(trial())]
    for like, rate, alike in ((trial(), 1, True), (wide, 5, True), (trial(batch_size=16), 1, False)):
        found = rates_of_records(known, like, examples)
        assert found is not None
        assert found.alike == alike
        if alike:
            assert found.passes["dropattack"] == pytest.approx(rate * PASS)
    rough = rates_of_records(known[:1], trial(), examples)
    assert rough is not None
    assert not rough.alike


def test_what_was_trained_elsewhere_or_not_at_all_tells_nothing() -> None:
    reused = record(trial())
    reused.reused_from = "other/stage"
    on_gpu = record(trial(), slower=0.1, on_gpu=1)
    assert rates_of_records([reused, on_gpu], trial(), examples) is None
    found = rates_of_records([reused, on_gpu], trial(), examples, on_gpu=True)
    assert found is not None
    assert found.passes["dropattack"] == pytest.approx(0.1 * PASS)


def test_data_that_are_gone_tell_nothing() -> None:
    def gone(of: Trial) -> int:
        raise UsageError("no such file")

    assert rates_of_records([record(trial())], trial(), gone) is None


def test_an_unfinished_record_tells_all_but_the_test() -> None:
    """Which is taken to last as long as a validation."""
    found = rates_of_records([record(trial(), epochs=2)], trial(), examples)
    assert found is not None
    assert (found.validation, found.test) == pytest.approx((VALIDATION, VALIDATION))


def test_trials_of_one_epoch_tell_what_an_epoch_and_its_test_take_together() -> None:
    found = rates_of_records([record(trial(epochs=1), epochs=1)], trial(), examples)
    assert found is not None
    assert found.validation + found.test == pytest.approx(VALIDATION + TEST)
    assert rates_of([], "records") is None


def test_of_a_trial_that_moved_only_epochs_of_the_asked_device_count() -> None:
    moved = record(trial(epochs=4), slower=1.0, epochs=4, on_gpu=0)
    for epoch in moved.epochs[:3]:
        epoch |= {
            "on_gpu": 1,
            "seconds": epoch["seconds"] / 100,
            "train_seconds": epoch["train_seconds"] / 100,
        }
    for on_gpu, factor in ((False, 1.0), (True, 0.01)):
        rates = rates_of_records([moved], trial(), examples, on_gpu)
        assert rates is not None
        assert rates.passes == {"dropattack": pytest.approx(factor * PASS)}
