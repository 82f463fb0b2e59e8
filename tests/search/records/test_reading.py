"""Records read from a journal's lines, beside what Optuna itself makes of the same file."""

import json
import math
from pathlib import Path

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from dropattack import UsageError
from search.records.optuna_log import drawn
from search.records.reading import read_records
from search.records.record import Record
from tests.search.journals import bare, resealed
from tests.search.simulation import Driver, KilledError, engine, sweep

FORMER = Path(__file__).parent / "version5" / "journal.log"


def opened(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


def as_optuna_has_it(path: Path) -> list[FrozenTrial]:
    storage = opened(path)
    studies = storage.get_all_studies()
    trials = [trial for study in studies for trial in storage.get_all_trials(study._study_id)]
    return sorted(trials, key=lambda trial: trial._trial_id)


def check(path: Path) -> None:
    records, trials = read_records(path), as_optuna_has_it(path)
    assert [record.number for record in records] == [trial._trial_id for trial in trials]
    for record, trial in zip(records, trials, strict=True):
        assert record.trial.to_dict() == {**record.trial.to_dict(), **trial.user_attrs["trial"]}
        assert record.finished == trial.state.is_finished()
        assert record.state.value.upper().startswith(trial.state.name)
        assert drawn(record) == (trial.params, trial.distributions)
        epochs = [value for name, value in trial.user_attrs.items() if name.startswith("epoch.")]
        assert sorted(record.epochs, key=str) == sorted(epochs, key=str)
        assert {int(m["epoch"]): m["valid_accuracy"] for m in record.epochs} == trial.intermediate_values


@pytest.mark.parametrize("epochs", [0, 1, 40, None])
def test_records_are_what_optuna_reads(tmp_path: Path, epochs: int | None) -> None:
    try:
        Driver(engine(tmp_path, sweep()), slots=2).run(epochs)
    except KilledError:
        assert epochs is not None
    check(tmp_path / "journal.log")


def test_so_are_those_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(FORMER.read_bytes())
    check(path)


def test_so_are_those_that_other_tools_have_touched(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    Driver(engine(tmp_path, sweep())).run()
    path.write_bytes(bare(path.read_bytes()))
    storage = opened(path)
    first, second, *_ = storage.get_all_studies()
    storage.set_study_user_attr(first._study_id, "note", "mine")
    storage.set_trial_system_attr(storage.create_new_trial(second._study_id), "who", "me")
    storage.delete_study(second._study_id)
    late = {"op_code": 8, "worker_id": "late", "trial_id": 0, "user_attr": {"reason": "too late"}}
    twice = {"op_code": 0, "worker_id": "late", "study_name": first.study_name, "directions": [2]}
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in (late, twice))
    check(path)
    records = read_records(path)
    assert second.study_name.partition("/")[0] not in {record.stage for record in records}
    assert records[0].reason == ""


def test_odd_numbers_are_read_as_they_were_recorded(tmp_path: Path) -> None:
    tested = engine(tmp_path, sweep())
    record = tested.next()
    assert record is not None
    tested.report(record.key, {"epoch": 1, "valid_accuracy": 0.5, "train_loss": math.inf, "x": math.nan})
    (again,) = read_records(tmp_path / "journal.log")
    assert again.epochs[0]["train_loss"] == math.inf
    assert math.isnan(again.epochs[0]["x"])


def test_a_line_that_is_damaged_is_named(tmp_path: Path) -> None:
    Driver(engine(tmp_path, sweep())).run()
    path = tmp_path / "journal.log"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], lines[4][30:], *lines[5:]]))
    with pytest.raises(UsageError, match=r"^line 5 of .*journal\.log is damaged: it is no JSON; `dropattack"):
        read_records(path)


def test_no_journal_has_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "none.log") == []


def names(records: list[Record]) -> list[str]:
    return [record.name for record in records]


def test_a_trial_keeps_its_name_where_its_method_is_gone(tmp_path: Path) -> None:
    Driver(engine(tmp_path, sweep())).run()
    path = tmp_path / "journal.log"
    before = names(read_records(path))
    assert "dropattack input ε=0.1 p=0.3 k=1 seed=0" in [name.replace("+conv1.w", "") for name in before]
    ours, gone = b'"method":"dropattack"', b'"method":"vanished"'
    path.write_bytes(resealed(path.read_bytes(), lambda content: content.replace(ours, gone)))
    assert names(read_records(path)) == before


def test_a_trial_that_was_never_named_shows_all_it_has_where_its_method_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_text(FORMER.read_text().replace('"dropattack"', '"vanished"'), encoding="utf-8")
    name = next(record.name for record in read_records(path) if record.trial.method == "vanished")
    assert name.startswith("vanished input ε=")
    assert "control=" in name
