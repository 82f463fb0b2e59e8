"""The idempotent sweep, driven by a simulated trainer."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.records.record import State
from tests.search.simulation import Driver, KilledError, engine, sweep, table


def test_an_undisturbed_sweep_trains_every_trial_once_and_stops_the_poor_ones(tmp_path: Path) -> None:
    driver = Driver(engine(tmp_path, sweep()), slots=2)
    driver.run()
    records = driver.engine.records
    assert len(records) == driver.engine.total == 2 + 8 + 12 + 6
    assert len(driver.ledger) == len(set(driver.ledger)), "an epoch was trained twice"
    by_stage = {stage.name: [r for r in records if r.stage == stage.name] for stage in sweep().stages}
    assert {r.state for r in by_stage["grid"]} == {State.COMPLETE}
    assert {r.state for r in by_stage["search"]} == {State.COMPLETE, State.PRUNED}
    assert {r.trial.seed for r in by_stage["confirm"]} == {7, 8}
    assert sum(r.trial.method == "standard" for r in by_stage["confirm"]) == 2


def test_confirmation_takes_the_best_means_over_seeds(tmp_path: Path) -> None:
    driver = Driver(engine(tmp_path, sweep()))
    driver.run()
    values: dict[str, list[float]] = {}
    for r in driver.engine.records:
        if r.stage in ("grid", "search") and r.state is State.COMPLETE:
            values.setdefault(str(r.trial.hyperparameters), []).append(
                max(m["valid_accuracy"] for m in r.epochs)
            )
    ranked = sorted(values, key=lambda c: -sum(values[c]) / len(values[c]))
    confirmed = {
        str(r.trial.hyperparameters)
        for r in driver.engine.records
        if r.stage == "confirm" and r.trial.method == "dropattack"
    }
    assert confirmed == set(ranked[:2])


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(min_value=0, max_value=60), min_size=1, max_size=4))
def test_killed_anywhere_and_run_again_one_at_a_time_equals_undisturbed(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    undisturbed = Driver(engine(tmp_path_factory.mktemp("undisturbed"), sweep()))
    undisturbed.run()
    folder = tmp_path_factory.mktemp("killed")
    for epochs in kills:
        try:
            Driver(engine(folder, sweep())).run(epochs)
        except KilledError:
            continue
    last = Driver(engine(folder, sweep()))
    last.run()
    assert table(last.engine.records) == table(undisturbed.engine.records)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(min_value=0, max_value=60), min_size=1, max_size=3))
def test_killed_with_several_slots_loses_and_repeats_nothing(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    for epochs in kills:
        try:
            Driver(engine(folder, sweep()), slots=3).run(epochs)
        except KilledError:
            continue
    last = Driver(engine(folder, sweep()), slots=3)
    last.run()
    records = last.engine.records
    assert len(records) == last.engine.total
    assert all(record.finished for record in records)
    trained = [r.key for r in records if not r.reused_from]
    assert len(trained) == len(set(trained)), "one key was trained under two records"


def test_nothing_is_left_to_do_after_the_end(tmp_path: Path) -> None:
    Driver(engine(tmp_path, sweep())).run()
    again = Driver(engine(tmp_path, sweep()))
    again.run()
    assert again.ledger == []


def test_more_seeds_and_a_wider_grid_train_only_what_is_new(tmp_path: Path) -> None:
    stages = [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0]}}}]
    Driver(engine(tmp_path, sweep(stages=stages))).run()
    wider = [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 0.5, 1.0]}}}]
    more = Driver(engine(tmp_path, sweep(stages=wider, seeds=[0, 1, 2])))
    more.run()
    assert len(more.engine.records) == 9
    assert len({key for key, _ in more.ledger}) == 5


def test_a_longer_search_goes_on_as_if_it_had_been_asked_for_at_once(tmp_path: Path) -> None:
    def search(trials: int) -> list[dict[str, object]]:
        stage = {
            "name": "search",
            "search": {"kind": "optuna", "trials": trials},
            "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}}},
        }
        return [stage]

    Driver(engine(tmp_path / "a", sweep(stages=search(12)))).run()
    longer = Driver(engine(tmp_path / "a", sweep(stages=search(16))))
    longer.run()
    at_once = Driver(engine(tmp_path / "b", sweep(stages=search(16))))
    at_once.run()
    assert table(longer.engine.records) == table(at_once.engine.records)


def test_a_sampler_does_not_repeat_its_draws_after_a_restart(tmp_path: Path) -> None:
    stages = [
        {
            "name": "search",
            "search": {"kind": "random", "trials": 8},
            "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}}},
        }
    ]
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, sweep(stages=stages))).run(epochs=30)
    driver = Driver(engine(tmp_path, sweep(stages=stages)))
    driver.run()
    drawn = [r.trial.hyperparameters["epsilon"] for r in driver.engine.records]
    assert len(set(drawn)) == 8


def test_duplicates_of_a_sampler_are_answered_from_the_record(tmp_path: Path) -> None:
    stages = [
        {
            "name": "search",
            "search": {"kind": "random", "trials": 10},
            "methods": {"dropattack": {"epsilon": [0.1, 1.0]}},
        }
    ]
    driver = Driver(engine(tmp_path, sweep(stages=stages)), slots=3)
    driver.run()
    records = driver.engine.records
    assert len(records) == 10
    assert len({key for key, _ in driver.ledger}) == 2
    assert sum(bool(r.reused_from) for r in records) == 8
    assert len({r.key: r.value(sweep().select) for r in records if r.reused_from}) == 2


def test_a_key_that_was_stopped_early_is_trained_in_full_where_a_stage_asks_for_that(tmp_path: Path) -> None:
    search = {
        "name": "search",
        "search": {"kind": "random", "trials": 12},
        "scheduler": "asha",
        "methods": {"dropattack": {"epsilon": [0.1, 0.2, 0.5, 1.0, 2.0, 4.0]}},
    }
    full = {"name": "full", "methods": {"dropattack": {"epsilon": [0.1, 0.2, 0.5, 1.0, 2.0, 4.0]}}}
    driver = Driver(engine(tmp_path, sweep(stages=[search, full], seeds=[0])))
    driver.run()
    pruned = {r.key for r in driver.engine.records if r.stage == "search" and r.state is State.PRUNED}
    assert pruned
    assert all(r.state is State.COMPLETE for r in driver.engine.records if r.stage == "full")


def test_a_key_that_other_rungs_stopped_goes_as_far_as_its_own_let_it(tmp_path: Path) -> None:
    def stage(name: str, grace_period: int) -> dict[str, Any]:
        return {
            "name": name,
            "search": {"kind": "random", "trials": 12},
            "scheduler": {"kind": "asha", "grace_period": grace_period},
            "methods": {"dropattack": {"epsilon": [0.1, 0.2, 0.5, 1.0, 2.0, 4.0]}},
        }

    driver = Driver(engine(tmp_path, sweep(stages=[stage("early", 1), stage("late", 9)], seeds=[0])))
    driver.run()
    records = driver.engine.records
    assert any(r.state is State.PRUNED for r in records if r.stage == "early")
    assert all(r.state is State.COMPLETE for r in records if r.stage == "late")


def test_a_trial_that_failed_is_not_tried_again_for_its_duplicates(tmp_path: Path) -> None:
    search = {
        "name": "search",
        "search": {"kind": "random", "trials": 10},
        "methods": {"dropattack": {"epsilon": [0.1, 1.0]}},
    }
    tested = engine(tmp_path, sweep(stages=[search], seeds=[0]))
    tried = []
    while record := tested.next():
        tried.append(record.key)
        tested.fail(record.key, "out of luck")
    assert len(tried) == len(set(tried)) == 2
    assert tested.done
    reopened = engine(tmp_path, sweep(stages=[search], seeds=[0]))
    assert [(r.state, r.reason) for r in reopened.records] == [(State.FAILED, "out of luck")] * 10


def test_complete_trials_of_other_sweeps_are_reused_and_say_so(tmp_path: Path) -> None:
    stages = [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0]}}}]
    first = Driver(engine(tmp_path / "a", sweep(stages=stages)))
    first.run()
    elsewhere = {r.key: ("other", r) for r in first.engine.records}
    second = Driver(engine(tmp_path / "b", sweep(stages=stages), elsewhere=elsewhere))
    second.run()
    assert second.ledger == []
    assert {r.reused_from for r in second.engine.records} == {"other/grid"}
    reopened = engine(tmp_path / "b", sweep(stages=stages)).records
    assert table(reopened) == table(second.engine.records)


def test_a_failed_trial_is_recorded_with_its_reason_and_the_sweep_goes_on(tmp_path: Path) -> None:
    stages = [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0, 2.0]}}}]
    tested = engine(tmp_path, sweep(stages=stages, seeds=[0]))
    first = tested.next()
    assert first is not None
    tested.fail(first.key, "DivergedError: training loss became nan in epoch 1")
    driver = Driver(tested)
    driver.run()
    reopened = {r.key: r for r in engine(tmp_path, sweep(stages=stages, seeds=[0])).records}
    assert reopened[first.key].state is State.FAILED
    assert "nan" in reopened[first.key].reason
    assert sorted(r.state.value for r in reopened.values()) == ["complete", "complete", "failed"]


def test_a_trial_that_reports_again_meets_no_rung_that_it_has_passed(tmp_path: Path) -> None:
    """Killed when some trial is past a rung and not yet done."""
    driver = Driver(engine(tmp_path, sweep()), slots=6)

    def kill(key: str, epoch: int) -> None:
        if driver.records[key].stage == "search" and epoch == 6:
            raise KilledError

    with pytest.raises(KilledError):
        driver.run(before=kill)
    killed = {(r.stage, r.number): len(r.epochs) for r in engine(tmp_path, sweep()).records if not r.finished}
    assert any(stage == "search" and epochs > 3 for (stage, _), epochs in killed.items())
    last = Driver(engine(tmp_path, sweep()), slots=6)
    last.run()
    for record in last.engine.records:
        if record.state is State.PRUNED and (record.stage, record.number) in killed:
            assert len(record.epochs) >= killed[record.stage, record.number]
            assert len(record.epochs) in (1, 3, 9), "stopped at a rung, not on the way to one"


@pytest.mark.parametrize("slots", [1, 3])
def test_looking_ahead_records_nothing_and_changes_no_choice(tmp_path: Path, slots: int) -> None:
    plain = Driver(engine(tmp_path / "plain", sweep()), slots)
    plain.run()
    looking = engine(tmp_path / "looking", sweep())
    driver = Driver(looking, slots)
    path = tmp_path / "looking" / "journal.log"

    def look(key: str, epoch: int) -> None:
        before = path.read_bytes()
        assert looking.left
        assert path.read_bytes() == before

    assert looking.left
    assert path.read_bytes() == b""
    driver.run(before=look)
    assert table(looking.records) == table(plain.engine.records)
    assert not looking.left
    assert looking.done


def test_who_has_trained_a_further_epoch_goes_on_whatever_the_rungs_say_now(tmp_path: Path) -> None:
    """Its driver told it to, and died; since then the same question may have another answer."""
    first = Driver(engine(tmp_path / "first", sweep()))
    first.run()
    pruned = next(r for r in first.engine.records if r.state is State.PRUNED)
    again = engine(tmp_path / "again", sweep())
    report, last = again.report, len(pruned.epochs)

    def reporting(key: str, metrics: dict[str, float]) -> bool:
        ahead = key == pruned.key and metrics["epoch"] == last
        return report(key, metrics, last + 1 if ahead else 0)

    again.report = reporting  # type: ignore[method-assign, assignment]
    Driver(again).run()
    (record,) = [r for r in again.records if (r.stage, r.number) == (pruned.stage, pruned.number)]
    assert record.key == pruned.key
    assert len(record.epochs) > last
