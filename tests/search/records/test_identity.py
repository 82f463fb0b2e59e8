"""Stores of earlier versions open under today's names, and nothing in them is trained again."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from search.definition.sweep import Sweep
from search.engine.engine import Engine
from search.records.adoption import move_checkpoint
from search.records.journal import Journal
from search.records.record import State
from search.records.store import Store
from tests.search.simulation import train
from trainables.disk import checkpoint_path, model_path
from trainables.trial import TRAINING_VERSION

FORMER = Path(__file__).parent / "version5"
"""A sweep as the version before canonical keys recorded it, killed when 12 of its 20 trials were complete.

Its grid holds copies: p = 0 with every ε and control, eps-zero with every p, and p-one of (3, 0.1) beside
(0.3, 1).
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Its records are said to be of today's training, which they must be to go on."""
    shutil.copytree(FORMER, tmp_path / "sweeps" / "former")
    journal = tmp_path / "sweeps" / "former" / "journal.log"
    journal.write_text(journal.read_text().replace('"version":5', f'"version":{TRAINING_VERSION}'))
    return Store(tmp_path)


def definition(store: Store) -> Sweep:
    found = store.definition("former")
    assert found is not None
    return found


def engine(store: Store) -> Engine:
    sweep = definition(store)
    return Engine(sweep, store.journal(sweep, writable=True), lambda workload, options: workload)


def test_records_are_named_by_what_they_compute(store: Store) -> None:
    records = store.journal(definition(store)).records
    assert len(records) == 14
    written = [json.loads(line) for line in (FORMER / "journal.log").read_text().splitlines()]
    keys = [entry["user_attrs"]["key"] for entry in written if "user_attrs" in entry]
    assert [record.former for record in records] == keys
    assert all(record.key == record.trial.key for record in records)
    plain = [r for r in records if r.trial.method == "standard" and r.trial.hyperparameters["rounds"] == 1]
    copies = [record for record in records if record.key == plain[0].key]
    assert {r.trial.hyperparameters.get("p", 0) for r in copies} == {0}
    assert {r.identity.control for r in copies} == {"", "p-zero"}


def test_a_former_sweep_goes_on_and_trains_nothing_twice(store: Store) -> None:
    copy, begun = [r for r in store.journal(definition(store)).records if not r.finished]
    assert (len(copy.epochs), len(begun.epochs)) == (1, 1)
    old = checkpoint_path(store.folder("former"), begun.former)
    old.parent.mkdir()
    torch.save({"key": begun.former, "weights": torch.ones(2)}, old)

    driven = engine(store)
    known = {r.key for r in driven.records if r.state is State.COMPLETE}
    trained = {}
    while (record := driven.next()) is not None:
        trained[record.key] = len(record.epochs)
        assert record.key not in known
        for epoch in range(len(record.epochs) + 1, 4):
            driven.report(record.key, train(record, epoch))
    assert driven.done
    assert len(driven.records) == 20
    assert trained == {begun.key: 1}, "the rest computes what is recorded, under other names"
    moved = torch.load(checkpoint_path(store.folder("former"), begun.key), weights_only=True)
    assert moved["key"] == begun.key
    assert not old.exists()

    again = Journal(store.journal_path("former"), driven.sweep.select)
    assert [(r.key, r.former, r.state) for r in again.records] == [
        (r.key, r.former, r.state) for r in driven.records
    ]
    assert engine(store).done or engine(store).next() is None


def test_models_lie_where_the_earlier_version_put_them(store: Store) -> None:
    folder = store.folder("former")
    first, second = store.journal(definition(store)).records[:2]
    for key in (first.former, second.key):
        model_path(folder, key).parent.mkdir(exist_ok=True)
        model_path(folder, key).touch()
    assert store.model("former", first) == model_path(folder, first.former)
    assert store.model("former", second) == model_path(folder, second.key)


def test_opening_to_read_changes_nothing(store: Store) -> None:
    before = store.journal_path("former").read_bytes()
    store.journal(definition(store))
    assert store.journal_path("former").read_bytes() == before


def test_a_method_that_is_gone_keeps_its_key(tmp_path: Path) -> None:
    text = (FORMER / "journal.log").read_text().replace('"dropattack"', '"vanished"')
    (tmp_path / "journal.log").write_text(text)
    select = Sweep.model_validate_json((FORMER / "sweep.json").read_text()).select
    gone = [r for r in Journal(tmp_path / "journal.log", select).records if r.trial.method == "vanished"]
    assert len(gone) == 12
    assert len({record.key for record in gone}) == 12
    assert all(record.former == "" for record in gone)


def test_a_checkpoint_that_is_not_there_is_not_moved(tmp_path: Path) -> None:
    move_checkpoint(tmp_path, "one", "other")
    assert not list(tmp_path.iterdir())
