"""The share of the CPU that trials get, worked out by hand."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from search.console.presentation import show_status
from search.console.status import Status
from search.records.record import Record
from tests.search.simulation import Driver, engine, sweep

STAGES = [{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2]}}}]


def _status(folder: Path, spent: float, **changes: Any) -> tuple[Status, list[Record], str]:
    """Of a sweep whose epochs took two seconds each, and so much CPU time; and what `status` prints."""
    definition = sweep(**{"stages": STAGES, "seeds": [0], **changes})
    driver = Driver(engine(folder, definition))
    driver.run()
    records = list(driver.engine.records)
    for record in records:
        for metrics in record.epochs:
            metrics |= {"seconds": 2.0, "cpu_seconds": spent}
    console = Console(width=140)
    with console.capture() as shown:
        show_status(console, definition, records, len(records))
    return Status(definition, records, len(records)), records, shown.get()


@pytest.mark.parametrize(
    ("spent", "cpus", "share", "said"),
    [
        (1.9, 1, 0.95, False),
        (0.6, 1, 0.3, True),
        (0.9, 0.5, 0.9, False),
        (0.4, 0.5, 0.4, True),
        (1.8, 4, 0.9, False),
    ],
)
def test_less_than_half_is_said(tmp_path: Path, spent: float, cpus: float, share: float, said: bool) -> None:
    status, _, shown = _status(tmp_path, spent, resources={"cpus": cpus})
    assert status.cpu_share == pytest.approx(share)
    assert status.to_dict()["cpu_share"] == status.cpu_share
    assert ("of the CPU they were given" in shown) == said


def test_an_epoch_counts_once_and_one_that_was_not_measured_not_at_all(tmp_path: Path) -> None:
    status, records, _ = _status(tmp_path, 1.0)
    status.update(records[0])
    assert status.cpu_share == pytest.approx(0.5)
    for record in records:
        for metrics in record.epochs:
            del metrics["cpu_seconds"]
    assert Status(sweep(stages=STAGES, seeds=[0]), records, len(records)).cpu_share is None
