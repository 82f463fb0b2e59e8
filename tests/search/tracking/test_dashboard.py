"""A journal as optuna-dashboard has it: every trial with its parameters, a named objective, and no change."""

from pathlib import Path

import pytest

from search.tracking.dashboard import ShownJournal
from tests.search.simulation import Driver, engine, sweep


def test_every_trial_has_parameters_and_the_objective_has_a_name(tmp_path: Path) -> None:
    tested = engine(tmp_path, sweep())
    Driver(tested).run()
    shown = ShownJournal(str(tmp_path / "journal.log"), "valid_accuracy")
    studies = {study.study_name.partition("/")[0]: study for study in shown.get_all_studies()}
    for study in studies.values():
        assert study.system_attrs["study:metric_names"] == ["valid_accuracy"]
        assert shown.get_study_system_attrs(study._study_id) == study.system_attrs
    for stage in ("baseline", "grid", "confirm"):
        trials = shown.get_all_trials(studies[stage]._study_id)
        records = [record for record in tested.records if record.stage == stage]
        assert len(trials) == len(records) > 0
        for trial, record in zip(trials, records, strict=True):
            values = record.trial.hyperparameters
            assert trial.params["method"] == record.trial.method
            assert trial.params["seed"] == record.trial.seed
            for name in {"epsilon", "p", "k", "targets"} & values.keys():
                assert trial.params[name] == values[name]
    assert "epsilon" in shown.get_all_trials(studies["grid"]._study_id)[0].params


def test_nothing_can_be_changed_through_it(tmp_path: Path) -> None:
    Driver(engine(tmp_path, sweep())).run()
    journal = tmp_path / "journal.log"
    before = journal.read_bytes()
    shown = ShownJournal(str(journal), "valid_accuracy")
    with pytest.raises(PermissionError):
        shown.delete_study(0)
    with pytest.raises(PermissionError):
        shown.set_study_user_attr(0, "note", "mine")
    assert journal.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["journal.log"]
