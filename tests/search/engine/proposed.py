"""Sweeps of one stage that searches, run by simulation."""

from pathlib import Path
from typing import Any

from search.records.record import Record
from tests.search.simulation import Driver, engine, sweep


def searching(**changes: Any) -> dict[str, Any]:
    """A stage that draws ten sizes of the attack at random."""
    stage: dict[str, Any] = {
        "name": "search",
        "search": {"kind": "random", "trials": 10},
        "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}}},
    }
    return stage | changes


def run(folder: Path, *stages: dict[str, Any], **changes: Any) -> list[Record]:
    """The records of a sweep of these stages."""
    driver = Driver(engine(folder, sweep(stages=list(stages), **changes)))
    driver.run()
    return list(driver.engine.records)
