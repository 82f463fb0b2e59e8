"""A journal that is damaged is refused in a line that names the line; other sweeps go on without it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dropattack import UsageError
from search.engine.plan import plan_sweep
from search.records.checking import check_sweep
from search.records.journal import Journal
from search.records.reading import read_records
from search.records.store import Store
from tests.search.journals import bare
from tests.search.simulation import Driver, engine, sweep

STAGES = [{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2]}}}]


def changed(name: str, value: object) -> Callable[[bytes], bytes]:
    """Another value under a name of the first line that has it."""

    def change(content: bytes) -> bytes:
        entries = [json.loads(line) for line in content.splitlines()]
        holders = [holder for e in entries for holder in (e, e.get("user_attrs", {}))]
        next(holder for holder in holders if name in holder)[name] = value
        return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)

    return change


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "no JSON": lambda content: content.replace(b"{", b"(", 1),
    "a name of its own": lambda content: content.replace(b'"op_code"', b'"op_cod~"'),
    "an operation of nothing": lambda content: content.replace(b'"op_code": 8', b'"op_code": {}').replace(
        b'"op_code":8', b'"op_code":{}'
    ),
    "a list": lambda content: b"[1, 2]\n" + content,
    "a trial of no number": changed("trial_id", "x"),
    "a trial that is not there": changed("trial_id", 999),
    "foreign": lambda content: b"# A page about something else.\n" * 9,
    "zeros": lambda content: bytes(300) + b"\n",
    "no trial": changed("trial", 7),
    "no such state": changed("state", 17),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With a finished sweep, ``small``."""
    store = Store(tmp_path / "runs")
    definition = sweep(stages=STAGES, seeds=[0, 1])
    Driver(engine(store.folder("small"), definition)).run()
    store.define(definition)
    return store


@pytest.mark.parametrize("earlier", [False, True], ids=["sealed", "of an earlier version"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_costs_other_sweeps_nothing_more(
    store: Store, tmp_path: Path, kind: str, earlier: bool
) -> None:
    path = store.journal_path("small")
    assert len(read_records(path)) == 4
    before = path.read_bytes()
    damaged = DAMAGE[kind](bare(before)) if earlier else DAMAGE[kind](before)
    assert damaged not in (before, bare(before)), "this is damaged"
    path.write_bytes(damaged)
    with pytest.raises(UsageError, match=r"journal\.log is damaged: it .*dropattack store check") as raised:
        Journal(path, sweep().select, writable=False)
    assert "\n" not in str(raised.value)
    other = sweep(name="other", stages=STAGES, seeds=[0])
    planned = plan_sweep(other, store, tmp_path)
    assert planned.stages[0].left == 2
    assert any(
        remark.startswith("sweep 'small' is left out of what is reused:") for remark in planned.remarks
    )


def test_a_folder_in_its_place_is_named_too(store: Store, tmp_path: Path) -> None:
    store.journal_path("small").unlink()
    store.journal_path("small").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_records(store.journal_path("small"))
    other = sweep(name="other", stages=STAGES, seeds=[0])
    assert "'small' is left out" in plan_sweep(other, store, tmp_path).remarks[0]


def test_a_sweep_that_is_whole_is_not_left_out(store: Store, tmp_path: Path) -> None:
    remarks = plan_sweep(sweep(name="other", stages=STAGES, seeds=[0]), store, tmp_path).remarks
    assert not any("left out" in remark for remark in remarks)


def test_what_a_mac_adds_to_an_archive_is_no_damaged_model(store: Store, tmp_path: Path) -> None:
    """Beside each file a hidden one, ``._KEY.pt``; a model with such a content is damaged."""
    models = store.folder("small") / "models"
    models.mkdir(exist_ok=True)
    (models / "._3b01d8f2aa64c7e9.pt").write_bytes(b"Mac OS X")
    assert not [found for found in check_sweep(store, "small") if "3b01d8f2aa64c7e9" in str(found)]
    (models / "3b01d8f2aa64c7e9.pt").write_bytes(b"Mac OS X")
    assert [found for found in check_sweep(store, "small") if "3b01d8f2aa64c7e9" in str(found)]
