"""``--only``: one workload of a sweep, where the others' data are not there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from rich.console import Console

from dropattack import UsageError
from search import service, session
from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.engine import readiness
from search.engine.engine import Engine
from search.engine.plan import plan_sweep
from search.records.notes import CODE
from search.records.store import Store
from search.results.outcome import Outcome
from search.service import run_sweep
from search.submission.jobs import run_command
from tests.search.simulation import Driver
from trainables.workloads import workload_named

HERE, GONE, SECOND = "digits-lenet5", "mnist-lenet5", "breast-cancer-mlp"
TRAINED: list[str] = []


def sweep(*workloads: str, **changes: Any) -> Sweep:
    raw = {
        "name": "several",
        "workloads": workloads,
        "training": {"epochs": 2},
        "seeds": [0, 1],
        "stages": [
            {"name": "baseline", "methods": {"standard": {}}},
            {"name": "images", "workloads": [n for n in workloads if "lenet" in n], "methods": {"fgsm": {}}},
        ],
    }
    return parse_sweep(raw | changes)


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are made up, and nothing is written for people."""
    TRAINED.clear()

    def train(engine: Engine, *_: Any) -> None:
        driver = Driver(engine)
        driver.run()
        TRAINED.extend(record.trial.workload for record in driver.records.values())

    monkeypatch.setattr(session, "_train", train)
    monkeypatch.setattr(service, "_connect", lambda *_: None)
    monkeypatch.setattr(service, "_rehearse", lambda *_: None)
    projection = MagicMock(created=False)
    projection.close.return_value = ""
    monkeypatch.setattr(session, "Projection", lambda *_: projection)
    monkeypatch.setattr(session, "write_report", lambda sweep, store, *_: store.report(sweep.name))
    monkeypatch.setattr(session, "told", lambda *_: {})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MNIST's files are there: made-up data stand for them."""
    kind = type(workload_named(GONE).dataset)
    digits = workload_named(HERE)
    with monkeypatch.context() as patched:
        patched.setattr(kind, "checksum", lambda *_: "made up")
        patched.setattr(kind, "load", lambda *_: digits.load(Path("unused")))
        yield


def run(definition: Sweep, root: Path, *only: str) -> Outcome:
    return run_sweep(definition, Store(root / "runs"), root, Console(quiet=True), "sqlite://", only=only)


def test_it_trains_one_workload_and_a_later_run_goes_on(tmp_path: Path, request: Any) -> None:
    definition, store = sweep(HERE, SECOND, GONE), Store(tmp_path / "runs")
    with pytest.raises(UsageError, match=f"; --only {HERE},{SECOND} runs the part whose data are here$"):
        run(definition, tmp_path)
    assert run(definition, tmp_path, HERE).done
    assert TRAINED == [HERE] * 4
    assert store.recorded("several") == definition, "the sweep is defined as a whole"
    assert store.total("several") == 10
    assert set(store.noted("several", CODE) or {}) == {HERE, SECOND, GONE}
    assert run(definition, tmp_path, SECOND).done
    assert TRAINED[4:] == [SECOND] * 2, "nothing is trained again"
    request.getfixturevalue("here")
    outcome = run(definition, tmp_path)
    assert outcome.done
    assert TRAINED[6:] == [GONE] * 4
    assert len(outcome.records) == 10
    assert not run(definition, tmp_path, HERE).trained


def test_it_says_what_is_left_out_and_what_is_missing(tmp_path: Path) -> None:
    planned = plan_sweep(sweep(HERE, SECOND, GONE), Store(tmp_path), tmp_path, only=[HERE])
    assert {stage.workload for stage in planned.stages} == {HERE}
    out = [line for line in planned.remarks if line.startswith("left out: ")]
    assert out[0] == f"left out: {SECOND}, whose data are here"
    assert out[1].startswith(f"left out: {GONE}, whose data are missing: ")
    assert "data fetch mnist" in out[1]
    assert len(out) == 2


def test_what_cannot_be_run_alone_is_one_line(tmp_path: Path) -> None:
    definition, store = sweep(HERE, GONE), Store(tmp_path)
    with pytest.raises(
        UsageError, match=f"data fetch mnist.*; --only {HERE} runs the part whose data are here$"
    ):
        plan_sweep(definition, store, tmp_path, only=[GONE])
    with pytest.raises(UsageError, match=r"unknown workload of several 'digits-lenet'; did you mean"):
        plan_sweep(definition, store, tmp_path, only=["digits-lenet"])
    assert not store.sweeps()


def test_what_was_left_out_is_checked_when_its_turn_comes(tmp_path: Path) -> None:
    """That the sweep is on record already does not mean that each of its workloads was looked at."""
    definition = sweep(HERE, SECOND)
    run(definition, tmp_path, HERE)
    with pytest.MonkeyPatch.context() as patched:
        seen: list[tuple[str, ...]] = []
        patched.setattr(readiness, "check_recipes", lambda part, data: seen.append(part.workloads))
        run(definition, tmp_path, HERE)
        assert not seen
        run(definition, tmp_path)
        assert seen == [(HERE, SECOND)]


def test_limits_count_what_earlier_parts_trained(tmp_path: Path) -> None:
    definition = sweep(HERE, SECOND, limits={"trials": 5})
    run(definition, tmp_path, HERE)
    outcome = run(definition, tmp_path, SECOND)
    assert outcome.limit == "trials 5"
    assert len(TRAINED) == 5


def test_a_job_is_asked_for_the_same_part() -> None:
    command = run_command("table4", "", "", "", [], Path.cwd(), only=["a", "b,c"])
    assert command[-4:] == ["--only", "a", "--only", "b,c"]
