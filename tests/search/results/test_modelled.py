"""What a model's card says of the configuration that trained it."""

from pathlib import Path
from typing import Any

import pytest

from search.records.notes import NotedVerdicts
from search.results.modelled import said_of
from tests.search.simulation import Driver, engine, sweep


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (
            {"mean": 0.9, "low": 0.88, "high": 0.92, "n": 5},
            "Its configuration has a mean test_accuracy of 0.9, 95 % interval [0.88, 0.92] (n = 5 fresh).",
        ),
        (
            {"mean": 0.9, "low": None, "high": None, "n": 1},
            "Its configuration has a mean test_accuracy of 0.9 (n = 1 fresh).",
        ),
        (
            {"mean": None, "low": None, "high": None, "n": 0},
            "Its configuration has no result on fresh seeds yet.",
        ),
    ],
)
def test_it_says_what_is_known_of_what_is_recommended(
    tmp_path: Path, numbers: dict[str, Any], said: str
) -> None:
    driver = Driver(engine(tmp_path, sweep(stages=[{"name": "plain", "methods": {"standard": {}}}])))
    driver.run()
    record = driver.engine.records[0]
    verdict = {
        "workload": record.trial.workload,
        "metric": "test_accuracy",
        "use": {"configuration_id": record.identity.configuration, **numbers},
        "equal_epochs": {"scored_on": "fresh"},
        "equal_cost": {"scored_on": ""},
        "lines": ["The answer."],
    }
    noted: NotedVerdicts = {"finished": 1, "verdicts": [verdict]}
    assert list(said_of(record, noted)) == [said, "The answer."]
    if not numbers["n"]:
        verdict["awaited"] = {"arms": ["attack"]}
        waits = "Its configuration has not met the other arms on fresh seeds yet."
        assert list(said_of(record, noted)) == [waits, "The answer."]
    assert list(said_of(record, None)) == []
