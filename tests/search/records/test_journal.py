"""The durable store: what a crash can leave behind, and what must never be mixed."""

from pathlib import Path

import pytest

from dropattack import UsageError
from search.records.journal import Journal, exclusive
from tests.search.simulation import Driver, KilledError, engine, sweep, table


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_torn_last_line_costs_that_line_only_and_appends_go_on(tmp_path: Path, cut: int) -> None:
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, sweep())).run(epochs=25)
    path = tmp_path / "journal.log"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, sweep())).run(epochs=10)
    last = Driver(engine(tmp_path, sweep()))
    last.run()
    undisturbed = Driver(engine(tmp_path / "undisturbed", sweep()))
    undisturbed.run()
    assert table(last.engine.records) == table(undisturbed.engine.records)


def test_every_prefix_of_a_journal_is_a_journal_that_can_be_finished(tmp_path: Path) -> None:
    definition = sweep(
        stages=[{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0]}}}], seeds=[0]
    )
    Driver(engine(tmp_path / "whole", definition)).run()
    lines = (tmp_path / "whole" / "journal.log").read_bytes().splitlines(keepends=True)
    expected = table(engine(tmp_path / "whole", definition).records)
    for kept in range(0, len(lines), 3):
        folder = tmp_path / str(kept)
        folder.mkdir()
        (folder / "journal.log").write_bytes(b"".join(lines[:kept]))
        driver = Driver(engine(folder, definition))
        driver.run()
        assert table(driver.engine.records) == expected


def test_a_lock_that_a_killed_writer_left_does_not_hold_the_next_one_up(tmp_path: Path) -> None:
    (tmp_path / "journal.log").touch()
    (tmp_path / "journal.log.lock").symlink_to(tmp_path / "journal.log")
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, sweep())).run(epochs=3)


def test_a_reader_beside_a_writer_sees_what_is_recorded_and_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, sweep())).run(epochs=25)
    path = tmp_path / "journal.log"
    torn = path.read_bytes()[:-5]
    path.write_bytes(torn)
    reader = Journal(path, sweep().select, writable=False)
    assert sum(len(r.epochs) for r in reader.records) in (24, 25)
    assert path.read_bytes() == torn


def test_a_folder_in_use_is_refused_by_its_name(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path),
        pytest.raises(UsageError, match=f"{tmp_path.name} is in use by another run"),
        exclusive(tmp_path),
    ):
        pass


def test_a_store_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"), exclusive(tmp_path / "file" / "sweep"):
        pass
