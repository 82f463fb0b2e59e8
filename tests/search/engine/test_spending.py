"""What a sweep has spent is what each epoch cost, and not a mean over trainings that were cut."""

from pathlib import Path
from typing import Any

import pytest

from search.engine.spending import Spending
from tests.search.simulation import Driver, engine, sweep


def test_epochs_before_a_start_cost_one_pass(tmp_path: Path) -> None:
    """Of nine epochs four are plain; a pass and an attacked one in each of the others."""
    stage = {"name": "grid", "methods": {"dropattack": {"targets": "input", "start": 0.5}}}
    driver = Driver(engine(tmp_path, sweep(stages=[stage], seeds=[0])))
    driver.run()
    (record,) = driver.engine.records
    assert len(record.epochs) == 9
    for limit, reached in ((4, 4), (5, 5), (6, 5), (14, 9)):
        spending = Spending(sweep(stages=[stage], seeds=[0], limits={"passes": limit}), [])
        told = []
        for metrics in record.epochs:
            spending.add(record, metrics)
            told.append(bool(spending.reached([])))
        assert told == [epoch >= reached for epoch in range(1, 10)]


@pytest.mark.parametrize(
    ("now", "epoch", "hours"),
    [
        (1.0, {"gpus": 1.0, "on_gpu": 1}, 1.0),
        (1.0, {"gpus": 0.25, "on_gpu": 1}, 0.25),
        (0.25, {"gpus": 1.0, "on_gpu": 1}, 1.0),
        (1.0, {"gpus": 0.0, "on_gpu": 0}, 0.0),
        (0.5, {"on_gpu": 1}, 0.5),
        (0.5, {"on_gpu": 0}, 0.0),
        (0.5, {}, 0.5),
    ],
    ids=str,
)
def test_gpu_hours_are_those_that_each_epoch_occupied(
    tmp_path: Path, now: float, epoch: dict[str, Any], hours: float
) -> None:
    """An epoch of an hour, from another run; epochs of earlier versions and of own loops say less."""
    definition = sweep(resources={"gpus": now}, limits={"gpu_hours": 1e-9})
    driver = Driver(engine(tmp_path, definition))
    record = driver.engine.next()
    assert record is not None
    record.epochs = [{"epoch": 1, "seconds": 3600.0, **epoch}]
    limits = [(hours - 0.01, True), (hours + 0.01, False)]
    for limit, reached in limits if hours else limits[1:]:
        spending = Spending(sweep(resources={"gpus": now}, limits={"gpu_hours": limit}), [record])
        assert bool(spending.reached([])) == reached
