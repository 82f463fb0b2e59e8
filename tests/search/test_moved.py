"""Sweeps that go on where trainings come out otherwise: on another machine, or without their checkpoints."""

from functools import partial
from pathlib import Path

import pytest

import search.session
from search.engine.engine import Engine
from search.execution import tuning
from tests.search.test_service import FakeProjection, _run


@pytest.fixture(autouse=True)
def _without_mlflow(without_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search.session, "Projection", FakeProjection)


def test_a_run_that_a_notice_ended_has_trained_though_a_trial_only_began_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on as many epochs as before, which are others."""

    def one_epoch(accuracy: float, engine: Engine, *_: object) -> None:
        record = engine.next()
        assert record is not None
        engine.report(record.key, {"epoch": 1, "valid_accuracy": accuracy, "seconds": 1.0})

    for accuracy, trained in ((0.5, 1), (0.5, 0), (0.4, 1)):
        monkeypatch.setattr(tuning, "run", partial(one_epoch, accuracy))
        assert _run(tmp_path).trained == trained


def test_each_machine_tries_a_workload_before_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that moved to a machine without an extra would fail there trial by trial."""
    tried: list[str] = []
    monkeypatch.setattr("search.engine.rehearsal.rehearse", lambda trial, data: tried.append(trial.workload))
    for cpu, seeds, expected in (
        ("A", [0], 1),
        ("A", [0, 1], 1),
        ("B", [0, 1, 2], 2),
        ("A", [0, 1, 2, 3], 2),
    ):
        monkeypatch.setattr("search.records.provenance.cpu_model", lambda cpu=cpu: cpu)
        _run(tmp_path, seeds=seeds)
        assert len(tried) == expected
