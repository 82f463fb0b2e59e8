"""What a sweep has spent is what each epoch cost, and not a mean over trainings that were cut."""

from pathlib import Path

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
