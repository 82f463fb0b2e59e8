"""What makes things slow, counted and not timed: imports, waits for the device, files and requests."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from torch import Tensor

from search.tracking.projection import Projection
from search.tracking.whole import WholeRuns
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, engine, sweep
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings


def test_an_epoch_waits_for_the_device_as_often_with_many_batches_as_with_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[str] = []

    def count(name: str) -> None:
        original = getattr(Tensor, name)

        def counted(self: Tensor, *args: Any) -> Any:
            waits.append(name)
            return original(self, *args)

        monkeypatch.setattr(Tensor, name, counted)

    for name in ("item", "tolist", "__float__", "__int__"):
        count(name)
    seen = {}
    for batch_size in (32, 4):
        train = ImageSplit(torch.rand(64, 1, 28, 28), torch.arange(64) % 10)
        settings = TrainingSettings(epochs=2, batch_size=batch_size)
        trial = Trial.make("mnist-lenet5", "dropattack", {"k": 2}, settings, 0, "none")
        training = Training(trial, Data(train, train, train, 10, "none"))
        waits.clear()
        training.epoch()
        seen[batch_size] = len(waits)
    assert seen[32] == seen[4] <= 20


def test_a_recorded_epoch_is_one_write_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    original = os.fsync

    def counted(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        original(descriptor)

    stages = [{"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1.0]}}}]
    driver = Driver(engine(tmp_path, sweep(stages=stages)), slots=2)
    monkeypatch.setattr(os, "fsync", counted)
    driver.run()
    trials = len(driver.records)
    assert 0 < calls <= len(driver.ledger) + 2 * trials + 2


@pytest.mark.parametrize("of_each", [0, 3])
def test_a_run_that_is_shown_once_takes_three_requests_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_each: int
) -> None:
    """A server is told of a trial, and of a configuration, by creating a run, one batch, and ending it.

    Into a database that is a file both are written.
    """
    if of_each:
        monkeypatch.setattr(WholeRuns, "write", lambda *_: None)
    stages = [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0], "p": [0.3, 0.7]}}}]
    definition = sweep(name="requests", stages=stages)
    tested = engine(tmp_path, definition)
    Driver(tested).run()
    projection = Projection(f"sqlite:///{tmp_path}/mlflow.db", definition, tmp_path / "artifacts", {})
    requests: list[str] = []
    for name in ("create_run", "log_batch", "set_terminated", "search_runs", "get_run", "log_metric"):
        original = getattr(MlflowClient, name)

        def counted(
            self: MlflowClient, *args: Any, _name: str = name, _call: Any = original, **kw: Any
        ) -> Any:
            requests.append(_name)
            return _call(self, *args, **kw)

        monkeypatch.setattr(MlflowClient, name, counted)
    projection.start(tested.records)
    projection.drain(PATIENCE_SECONDS)
    trials = len(tested.records)
    configurations = len({record.identity.configuration for record in tested.records})
    assert configurations < trials
    assert len(requests) <= of_each * (trials + configurations) + 4, requests
