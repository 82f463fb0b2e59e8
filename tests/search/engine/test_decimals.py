"""Steps in a sweep: a drawn 0.3 is the 0.3 that people write, in trials, exclusions and records."""

import json
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.definition.space import Interval
from search.engine.compatibility import check_extends
from search.engine.plan import plan_sweep
from search.records.record import Record
from search.records.store import Store
from tests.search.simulation import Driver, KilledError, engine, sweep

TENTHS = {"low": 0.1, "high": 1, "step": 0.1}
WRITTEN = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def _stage(search: Any, name: str = "search", **changes: Any) -> dict[str, Any]:
    return {"name": name, "search": search, "methods": {"dropattack": {"epsilon": TENTHS}}} | changes


def _sampled(kind: str, trials: int = 25, **options: Any) -> dict[str, Any]:
    return {"kind": kind, "trials": trials, **options}


def _run(folder: Path, *stages: dict[str, Any], **options: Any) -> list[Record]:
    driver = Driver(engine(folder, sweep(stages=list(stages), seeds=[0]), **options))
    driver.run()
    return list(driver.engine.records)


def _epsilons(records: list[Record]) -> list[float]:
    return [record.trial.hyperparameters["epsilon"] for record in records]


def test_a_grid_takes_every_value_on_a_step(tmp_path: Path) -> None:
    assert _epsilons(_run(tmp_path, _stage("grid"))) == WRITTEN


def test_a_grid_of_steps_and_one_of_their_values_extend_each_other() -> None:
    steps, listed = _stage("grid"), _stage("grid", methods={"dropattack": {"epsilon": WRITTEN}})
    narrow = _stage("grid", methods={"dropattack": {"epsilon": TENTHS | {"high": 0.5}}})
    for old, new in ((steps, listed), (listed, steps), (narrow, steps)):
        check_extends(sweep(stages=[old]), sweep(stages=[new]))
    with pytest.raises(UsageError, match="another definition of epsilon"):
        check_extends(sweep(stages=[steps]), sweep(stages=[narrow]))


@pytest.mark.parametrize("kind", ["random", "optuna"])
def test_a_drawn_value_is_the_trial_that_was_written(tmp_path: Path, kind: str) -> None:
    listed = _stage("grid", "grid", methods={"dropattack": {"epsilon": WRITTEN}})
    drawn = [r for r in _run(tmp_path, listed, _stage(_sampled(kind))) if r.stage == "search"]
    assert set(_epsilons(drawn)) <= set(WRITTEN)
    assert {0.3, 0.7} & set(_epsilons(drawn)), "the values that floating-point sums miss were drawn"
    assert {record.reused_from for record in drawn} == {"small/grid"}, "nothing was trained twice"


@pytest.mark.parametrize("kind", ["random", "optuna"])
@pytest.mark.parametrize("excluded", [0.3, [0.3, 0.7], {"low": 0.3, "high": 0.7, "step": 0.4}])
def test_what_is_excluded_is_not_drawn(tmp_path: Path, kind: str, excluded: Any) -> None:
    found = _epsilons(_run(tmp_path, _stage(_sampled(kind), exclude=[{"epsilon": excluded}])))
    gone = {0.3} if excluded == 0.3 else {0.3, 0.7}
    assert len(found) == 25
    assert set(found) <= set(WRITTEN) - gone
    if kind == "random":
        assert set(found) == set(WRITTEN) - gone, "and nothing else is left out"


def test_a_warm_start_takes_values_on_the_steps_only(tmp_path: Path) -> None:
    listed = [0.3, 0.1 + 0.2, 0.35, 0.7, 0.65]
    found = _run(tmp_path / "before", _stage("grid", methods={"dropattack": {"epsilon": listed}}))
    warm = _stage(_sampled("optuna", 4, warm_start=["before"]))

    def drawn(name: str, known: list[Record]) -> list[str]:
        return [r.key for r in _run(tmp_path / name, warm, recorded=lambda sweep: known)]

    on_steps = [record for record in found if record.trial.hyperparameters["epsilon"] in (0.3, 0.7)]
    assert len(on_steps) == 2
    assert drawn("all", found) == drawn("on steps", on_steps)


@pytest.mark.parametrize("killed_after", [1, 40, 70])
def test_a_journal_with_the_noise_of_earlier_versions_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    """What is recorded stays as it was; what is drawn from then on is as it is written."""
    definition = sweep(stages=[_stage(_sampled("optuna"))], seeds=[0])
    with monkeypatch.context() as earlier:
        earlier.setattr(Interval, "nearest", lambda self, value: value)
        with pytest.raises(KilledError):
            Driver(engine(tmp_path, definition)).run(killed_after)
    before = list(engine(tmp_path, definition).records)
    driver = Driver(engine(tmp_path, definition))
    driver.run()
    after = list(driver.engine.records)
    assert len(after) == 25
    assert all(record.finished for record in after)
    recorded = [(record.trial, record.params) for record in before]
    assert [(record.trial, record.params) for record in after[: len(before)]] == recorded
    assert (0.1 + 0.2 in _epsilons(before)) == (killed_after > 1), "there was noise to bear"
    assert set(_epsilons(after[len(before) :])) <= set(WRITTEN)


def test_a_store_whose_steps_missed_the_end_still_opens_and_goes_on_once_it_is_mended(tmp_path: Path) -> None:
    """Earlier versions drew from the values up to the last step without a word."""
    missed, mended = {"low": 0, "high": 1, "step": 0.3}, {"low": 0, "high": 0.9, "step": 0.3}
    store = Store(tmp_path)
    store.define(sweep(stages=[_stage(_sampled("random"), methods={"dropattack": {"epsilon": mended}})]))
    path = store.folder("small") / "sweep.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["stages"][0]["methods"]["dropattack"][0]["epsilon"]["high"] = 1.0
    del raw["crc32"]
    path.write_text(json.dumps(raw), encoding="utf-8")
    assert store.recorded("small").stages[0].methods["dropattack"][0]["epsilon"] == Interval(**missed)
    with pytest.raises(UsageError, match=r"epsilon: steps of 0.3 .*; write high: 0.9"):
        sweep(stages=[_stage(_sampled("random"), methods={"dropattack": {"epsilon": missed}})])
    again = sweep(stages=[_stage(_sampled("random"), methods={"dropattack": {"epsilon": mended}})])
    plan_sweep(again, store, tmp_path)
    shorter = _stage(_sampled("random"), methods={"dropattack": {"epsilon": mended | {"high": 0.6}}})
    with pytest.raises(UsageError, match="another definition of epsilon"):
        plan_sweep(sweep(stages=[shorter]), store, tmp_path)
