"""What appending to a journal keeps in memory, beside what the journal has on file."""

import json
from pathlib import Path

from search.records.reading import read_records
from tests.search.simulation import Driver, engine, sweep


def test_attributes_are_on_file_and_not_in_memory_a_second_time(tmp_path: Path) -> None:
    stages = [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 0.5, 1.0]}}}]
    definition = sweep(seeds=[0, 1], training={"epochs": 5}, stages=stages)
    tested = engine(tmp_path, definition)
    Driver(tested).run()
    (study,) = tested.journal._log._storage.get_all_studies()
    kept = tested.journal._log._storage.get_all_trials(study._study_id, deepcopy=False)
    assert [trial.number for trial in kept] == list(range(6))
    assert all(len(json.dumps(trial.user_attrs)) < 20 for trial in kept)
    read = read_records(tmp_path / "journal.log")
    assert [record.trial for record in read] == [record.trial for record in tested.records]
    assert [record.epochs for record in read] == [record.epochs for record in tested.records]
    assert all(len(record.epochs) == 5 for record in read)
