"""`dropattack store check`: what is damaged is named with its cost, and a mend keeps all that is left."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from search.records.notes import NOTES
from search.records.record import State
from search.records.store import Store
from tests.search.journals import resealed
from tests.search.simulation import Driver, KilledError, engine, sweep, table
from trainables.disk import checkpoint_path, model_path
from trainables.tensors import save_atomically

Command = Callable[..., Result]
GRID = sweep(
    stages=[{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2]}}}], training={"epochs": 3}, seeds=[0]
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With a sweep that was killed in its second trial, and a file of every kind."""
    store = Store(tmp_path / "runs")
    folder = store.folder("small")
    store.define(GRID)
    with pytest.raises(KilledError):
        Driver(engine(folder, GRID)).run(epochs=5)
    done, begun = store.journal(GRID).records
    save_atomically({"trial": done.trial.to_dict(), "model": {}}, model_path(folder, done.key))
    save_atomically({"key": begun.key, "epoch": 2}, checkpoint_path(folder, begun.key))
    store.note_code("small", {"digits-lenet5": {"dropattack": {}}})
    store.note_total("small", 2)
    store.keep_robustness("small", {done.key: {"test_fgsm_0.1_accuracy": 0.5}})
    store.note_extent("small")
    return store


FILES = ["journal.log", "sweep.json", "code.json", "total.json", "robustness.json", "journal.json"]
FILES += ["models/*.pt", "checkpoints/*.pt"]


def file_of(store: Store, name: str) -> Path:
    (path,) = store.folder("small").glob(name)
    return path


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = content.index(b"dropattack" if b"dropattack" in content else b"epoch") if path.suffix == ".pt" else 0
    content[at or len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a bit flipped": a_flipped_bit,
    "foreign": lambda path: path.write_bytes(b"# A page about something else.\n" * 9),
    "a folder": a_folder,
}


def test_a_store_that_is_whole(command: Command, store: Store) -> None:
    said = command("store", "check")
    assert (said.exit_code, said.output) == (0, "1 sweep checked: all files are whole\n")
    assert json.loads(command("store", "check", "small", "--json").output)["sweeps"] == {"small": []}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_with_its_cost_and_mended(
    command: Command, store: Store, kind: str, name: str
) -> None:
    path, folder = file_of(store, name), store.folder("small")
    known = store.journal(GRID).records
    DAMAGE[kind](path)
    shutil.copytree(folder, folder.parents[2] / "before", symlinks=True)
    said = command("store", "check")
    line, last = said.output.splitlines()
    assert said.exit_code == 1
    assert line.startswith(f"runs/sweeps/small/{path.relative_to(folder)} is ")
    assert "; lost is " in line
    assert "; --mend " in line
    assert last == "1 sweep checked: 1 file is damaged"

    mended = command("store", "check", "--mend")
    assert mended.exit_code == 1
    assert f"; mended: {'' if name == 'journal.log' else 'it is kept'}" in mended.output
    aside = path.with_name(f"{path.name}.damaged-1")
    before = folder.parents[2] / "before" / path.relative_to(folder)
    assert aside.is_dir() if before.is_dir() else aside.read_bytes() == before.read_bytes()
    assert command("store", "check", "--mend").exit_code == (name == "sweep.json"), (
        "a definition is defined anew"
    )

    driver = Driver(engine(folder, GRID))
    driver.run()
    store.define(GRID)
    assert len(driver.ledger) <= (6 if name == "journal.log" else 3), "what is whole is not trained again"
    done = {record.key: record for record in store.journal(GRID).records}
    assert {r.state for r in done.values()} == {State.COMPLETE}
    assert all(done[r.key].epochs[: len(r.epochs)] == r.epochs for r in known if name != "journal.log")
    assert command("store", "check").exit_code == 0


def test_what_is_gone_is_told_from_what_never_was(command: Command, store: Store) -> None:
    for name in ("journal.log", "sweep.json"):
        file_of(store, name).rename(store.root / name)
        said = command("store", "check")
        assert said.exit_code == 1
        assert f"runs/sweeps/small/{name} is " in said.output
        (store.root / name).rename(store.folder("small") / name)
    for note in NOTES:
        (store.folder("small") / note.file).unlink(missing_ok=True)
    assert command("store", "check").exit_code == 0


def test_what_cannot_be_read_stays_where_it_is(command: Command, store: Store) -> None:
    for name in FILES:
        path = file_of(store, name)
        path.rename(f"{path}.kept")
        path.symlink_to("/proc/self/mem")
    said = command("store", "check", "--mend")
    assert said.exit_code == 1
    assert said.output.count("cannot be read") == len(FILES)
    assert not list(store.folder("small").rglob("*.damaged-*"))
    for name in FILES:
        path = file_of(store, name)
        path.unlink()
        Path(f"{path}.kept").rename(path)
    assert command("store", "check").exit_code == 0


def test_a_model_of_another_trial_is_told(command: Command, store: Store) -> None:
    one, other = (store.journal(GRID).records[at] for at in (0, 1))
    shutil.copy(model_path(store.folder("small"), one.key), model_path(store.folder("small"), other.key))
    said = command("store", "check")
    assert f"{other.key}.pt is of another trial; lost is the model of {other.name}" in said.output


def test_what_a_killed_process_left_is_no_damage(command: Command, store: Store) -> None:
    folder = store.folder("small")
    (folder / "models" / f".key.pt.{'0f' * 16}").write_bytes(b"half")
    (folder / "journal.log.lock").symlink_to(folder / "journal.log")
    said = command("store", "check")
    assert said.exit_code == 0
    assert said.output.count("was left by a killed process; nothing is lost\n") == 2
    assert command("store", "check", "--mend").exit_code == 0
    assert not list(folder.rglob(".key*"))
    assert not os.path.lexists(folder / "journal.log.lock")


def test_every_sweep_is_checked_or_those_that_are_named(command: Command, store: Store) -> None:
    shutil.copytree(store.folder("small"), store.folder("other"))
    a_flipped_bit(store.folder("other") / "total.json")
    assert command("store", "check", "small").exit_code == 0
    assert command("store", "check", "small", "other").exit_code == 1
    found = json.loads(command("store", "check", "--json").output)["sweeps"]
    assert (len(found["small"]), [each["file"] for each in found["other"]]) == (
        0,
        ["runs/sweeps/other/total.json"],
    )
    assert found["other"][0].keys() == {"file", "wrong", "lost", "mending", "mended"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--store", "nowhere"), "there is no store nowhere; name another --store"),
        (("smal",), "'smal'"),
    ],
)
def test_a_wrong_request_has_status_2(
    command: Command, store: Store, arguments: tuple[str, ...], message: str
) -> None:
    said = command("store", "check", *arguments)
    assert said.exit_code == 2
    assert message in said.output


def test_a_sweep_that_is_being_run_is_checked_and_not_mended(command: Command, store: Store) -> None:
    from search.records.journal import exclusive

    with exclusive(store.folder("small")):
        assert command("store", "check").exit_code == 0
        said: Any = command("store", "check", "--mend")
    assert said.exit_code == 2
    assert "is in use by another run" in said.output


def test_records_that_stand_are_those_of_an_undisturbed_sweep(
    command: Command, store: Store, tmp_path: Path
) -> None:
    undisturbed = Driver(engine(tmp_path / "undisturbed", GRID))
    undisturbed.run()
    path = store.journal_path("small")
    for line in range(2, 10):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:line] + lines[line + 1 :]))
        assert command("status", "small").exit_code == 2
        assert command("store", "check", "--mend").exit_code == 1
        assert command("status", "small").exit_code == 0
        driver = Driver(engine(store.folder("small"), GRID))
        driver.run()
        assert table(driver.engine.records) == table(undisturbed.engine.records)
        store.note_extent("small")


def test_code_of_a_user_that_is_no_longer_noted_is_missed(command: Command, store: Store) -> None:
    journal = store.journal_path("small")
    journal.write_bytes(resealed(journal.read_bytes(), _with_code))
    store.note_extent("small")
    (store.folder("small") / "code.json").unlink()
    said = command("store", "check")
    assert said.exit_code == 1
    assert "code.json is gone; lost is which of its records are of the code" in said.output
    assert command("status", "small").exit_code == 2


def _with_code(content: bytes) -> bytes:
    return content.replace(b'"code":{}', b'"code":{"mine":"0f"}')
