"""Two sweeps that run at once on one store: one takes what the other has trained, or says that both did."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import search.session
from search.definition.sweep import Sweep
from search.execution import tuning
from search.records.journal import exclusive
from search.records.meanwhile import Meanwhile
from search.records.record import State
from search.records.store import Store
from search.service import run_sweep
from tests.search.records.nodes import Nodes
from tests.search.simulation import Driver, KilledError, engine, sweep
from tests.search.test_service import FakeProjection

SHARED = [{"name": "grid", "methods": {"standard": {}, "fgm": {}}}]
EPOCHS = 3


def _sweep(name: str, stages: list[dict[str, Any]] = SHARED, **changes: Any) -> Sweep:
    return sweep(name=name, stages=stages, training={"epochs": EPOCHS}, **changes)


@contextmanager
def _running(store: Store, definition: Sweep) -> Iterator[tuple[Driver, Meanwhile]]:
    """A sweep as a run holds it: its folder, its definition, an engine that asks the store."""
    with exclusive(store.folder(definition.name)):
        meanwhile = Meanwhile(store, definition.name)
        elsewhere = store.complete_elsewhere(definition).records
        store.define(definition)
        options = {"elsewhere": elsewhere, "meanwhile": meanwhile}
        yield Driver(engine(store.folder(definition.name), definition, **options)), meanwhile


def _until(driver: Driver, epochs: int) -> None:
    with pytest.raises(KilledError):
        driver.run(epochs=epochs)


def test_what_another_sweep_finishes_meanwhile_is_not_trained_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with _running(store, _sweep("one")) as (one, _), _running(store, _sweep("two")) as (two, meanwhile):
        one.run()
        two.run()
    assert len(one.ledger) == 4 * EPOCHS
    assert two.ledger == []
    assert {(r.state, r.reused_from) for r in two.engine.records} == {(State.COMPLETE, "one/grid")}
    assert meanwhile.warning == ""


@pytest.mark.parametrize("epochs", [1, EPOCHS + 1])
def test_what_both_are_at_is_trained_twice_and_said(tmp_path: Path, epochs: int) -> None:
    """One is in the middle of a trial when the other comes to it; what it had finished is taken."""
    store = Store(tmp_path)
    with _running(store, _sweep("one")) as (one, _), _running(store, _sweep("two")) as (two, meanwhile):
        _until(one, epochs)
        begun = [r.key for r in one.engine.records if r.state is State.RUNNING]
        two.run()
    done = {key for key, _ in one.ledger} - set(begun)
    assert len(two.ledger) == (4 - len(done)) * EPOCHS
    assert meanwhile.twice == dict.fromkeys(begun, "one")
    assert meanwhile.warning == "1 trial was trained at the same time by one, in the same store"


def test_a_trial_that_a_dead_sweep_left_is_trained_without_a_word(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with _running(store, _sweep("one")) as (one, _):
        _until(one, 2)
    with _running(store, _sweep("two")) as (two, meanwhile):
        two.run()
    assert len(two.ledger) == 4 * EPOCHS
    assert (meanwhile.twice, meanwhile.remarks) == ({}, [])


def test_of_two_that_come_to_a_trial_at_once_at_least_one_says_so(tmp_path: Path) -> None:
    """Both have it in their journals before either looks."""
    store = Store(tmp_path)
    with _running(store, _sweep("one")) as (one, first), _running(store, _sweep("two")) as (two, second):
        keys = [one.engine.next(), two.engine.next()]
        assert keys[0] is not None
        assert keys[1] is not None
        assert keys[0].key == keys[1].key
    assert {*first.twice, *second.twice} == {keys[0].key}


def test_a_sweep_that_begins_while_another_runs_sees_it_too(tmp_path: Path) -> None:
    """It need not have run when this one began; a third one, of other trials, is nobody's concern."""
    store = Store(tmp_path)
    other = _sweep("third", [{"name": "grid", "methods": {"pgd": {}}}])
    with _running(store, _sweep("one")) as (one, meanwhile):
        assert meanwhile.remarks == []
        with _running(store, other) as (third, _):
            third.run()
        with _running(store, _sweep("two", seeds=[1])) as (two, later):
            assert [line.partition(";")[0] for line in later.remarks] == ["in this store now runs one"]
            two.run()
        one.run()
    assert sorted(r.reused_from for r in one.engine.records) == ["", "", "two/grid", "two/grid"]


@pytest.mark.parametrize("epochs", [1, EPOCHS + 1, 4 * EPOCHS])
def test_sweeps_on_two_nodes_of_a_bucket_see_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """One node's copy says nothing of what the other node records after it was made."""
    nodes = Nodes(monkeypatch, tmp_path)
    a, b = nodes.store("a"), nodes.store("b")
    with _running(a, _sweep("one")) as (one, _), _running(b, _sweep("two")) as (two, meanwhile):
        if epochs < 4 * EPOCHS:
            _until(one, epochs)
        else:
            one.run()
        begun = [r.key for r in one.engine.records if r.state is State.RUNNING]
        two.run()
    done = {key for key, _ in one.ledger} - set(begun)
    assert len(two.ledger) == (4 - len(done)) * EPOCHS
    assert meanwhile.twice == dict.fromkeys(begun, "one")


def test_a_journal_of_another_sweep_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with _running(store, _sweep("one")) as (one, _), _running(store, _sweep("two")) as (two, _):
        one.run()
        path = store.journal_path("one")
        path.write_bytes(path.read_bytes().replace(b'"op_code"', b'"op_cod"', 1))
        two.run()
    assert len(two.ledger) == 4 * EPOCHS


@pytest.mark.usefixtures("without_ray")
def test_a_run_warns_of_what_was_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second sweep runs in the middle of the first one's first trial."""
    store = Store(tmp_path / "runs")
    monkeypatch.setattr(search.session, "Projection", FakeProjection)
    monkeypatch.setattr(search.session, "write_report", lambda *_: tmp_path / "report.html")
    warnings = []

    def train(own: Any, *_: object) -> None:
        monkeypatch.setattr(tuning, "run", lambda inner, *_: Driver(inner).run())
        driver = Driver(own)
        _until(driver, 1)
        inner = run_sweep(_sweep("two"), store, tmp_path, Console(quiet=True))
        warnings.append(inner.warning)
        driver.run()

    monkeypatch.setattr(tuning, "run", train)
    outer = run_sweep(_sweep("one"), store, tmp_path, Console(quiet=True))
    assert warnings == ["1 trial was trained at the same time by one, in the same store"]
    assert outer.warning == ""
    assert sorted(r.reused_from for r in outer.records) == ["", *["two/grid"] * 3]
