"""Which changes of a sweep extend its records, and which would mix them with others."""

from dataclasses import replace
from typing import Any

import pytest

from dropattack import UsageError
from search.engine.compatibility import check_extends, check_records
from search.records.record import Record
from tests.search.simulation import sweep
from trainables.trial import Trial
from trainables.workloads import TrainingSettings


def _stages(**changes: Any) -> list[dict[str, Any]]:
    grid = {"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0], "p": 0.5}}}
    search = {
        "name": "search",
        "search": {"kind": "optuna", "trials": 5},
        "scheduler": "asha",
        "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 1}}},
    }
    return [grid | changes.get("grid", {}), search | changes.get("search", {})]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seeds": [0, 1, 2]},
        {"summary": "other words"},
        {"resources": {"cpus": 2}},
        {"stages": _stages(grid={"methods": {"dropattack": {"epsilon": [0.1, 0.5, 1.0], "p": [0.5, 0.7]}}})},
        {"stages": _stages(search={"search": {"kind": "optuna", "trials": 50}})},
        {"stages": [*_stages(), {"name": "more", "methods": {"standard": {}}}]},
    ],
)
def test_extensions_are_welcome(changes: dict[str, Any]) -> None:
    check_extends(sweep(stages=_stages()), sweep(**{"stages": _stages(), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"epochs": 5}}, r"epochs of training \(9, now 5\);"),
        (
            {"training": {"epochs": 9, "learning_rate": 0.1}},
            r"learning_rate of training \(not set, now 0.1\);",
        ),
        ({"training": {}}, r"epochs of training \(9, now not set\);"),
        (
            {"model": {"hidden1": [60, 120]}},
            r"hidden1 of model \(not set, now \[60, 120\]\);",
        ),
        (
            {"stages": _stages(search={"training": {"epochs": 3}})},
            r"epochs of training in stage 'search' \(9, now 3\);",
        ),
        ({"seeds": [1, 0, 2][:1]}, "seeds"),
        ({"select": {"metric": "loss"}}, "select"),
        ({"workloads": ["mnist-lenet5"]}, "workloads"),
        ({"stages": _stages()[:1]}, "stage 'search'"),
        ({"stages": _stages(grid={"methods": {"dropattack": {"epsilon": [1.0], "p": 0.5}}})}, "epsilon"),
        ({"stages": _stages(grid={"methods": {"standard": {}}})}, "dropattack in stage 'grid'"),
        ({"stages": _stages(search={"scheduler": None})}, "how stage 'search' searches: its scheduler"),
        (
            {"stages": _stages(search={"methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 2}}}})},
            r"epsilon of .* \({low: 0.1, high: 1.0}, now {low: 0.1, high: 2.0}\)",
        ),
        (
            {"stages": _stages(search={"search": {"kind": "optuna", "trials": 5, "sampler_seed": 1}})},
            "sampler_seed",
        ),
    ],
)
def test_changes_that_would_mix_results_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_extends(sweep(stages=_stages()), sweep(**{"stages": _stages(), **changes}))


def test_records_of_other_data_or_code_are_refused() -> None:
    trial = Trial.make("digits-lenet5", "standard", {}, TrainingSettings(), 0, "data of then")
    record = Record(0, "grid", trial, trial.identity)
    check_records([record], sweep(), lambda workload, options: "data of then")
    with pytest.raises(UsageError, match="the contents of the data of digits-lenet5 have changed"):
        check_records([record], sweep(), lambda workload, options: "data of now")
    old = Record(0, "grid", replace(trial, version=0), trial.identity)
    with pytest.raises(UsageError, match="what a training computes"):
        check_records([old], sweep(), lambda workload, options: "data of then")
