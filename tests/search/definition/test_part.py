"""What every part of a sweep file keeps to."""

import pytest

from dropattack import UsageError
from search.definition.schema import check_schema


def _whole(**changes: object) -> dict[str, object]:
    stage = {"name": "search", "search": {"kind": "optuna", "trials": 3}, "methods": {"fgm": {}}}
    return {"name": "s", "workload": "digits-mlp", "stages": [stage], **changes}


def _searching(**options: object) -> dict[str, object]:
    search = {"kind": "optuna", "trials": 3, **options}
    return _whole(stages=[{"name": "search", "search": search, "methods": {"fgm": {}}}])


@pytest.mark.parametrize(
    ("raw", "where", "given"),
    [
        (_searching(trials=True), "trials must be a number", "true"),
        (_searching(seeds=False), "seeds must be a number", "false"),
        (
            _searching(sampler={"kind": "tpe", "n_startup_trials": True}),
            "startup_trials must be a number",
            "true",
        ),
        (_whole(seeds=[0, True]), "seeds must hold numbers", "true"),
        (_whole(limits={"hours": True}), "limits: hours must be a number", "true"),
        (_whole(resources={"gpus": False}), "resources: gpus must be a number", "false"),
        (_whole(resources={"concurrent": True}), "resources: concurrent must be a number", "true"),
        (
            _whole(select={"metrics": ["accuracy", "loss"], "weights": {"accuracy": True, "loss": 1}}),
            "select: weights must hold numbers",
            "true",
        ),
    ],
)
def test_true_is_no_number(raw: dict[str, object], where: str, given: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_schema(raw, "s.yaml")
    assert where in str(refused.value)
    assert str(refused.value).endswith(f", not {given}")


def test_true_stays_true_where_it_is_meant() -> None:
    raw = _searching(race=True, seeds=2, sampler={"kind": "tpe", "multivariate": False})
    raw["training"] = {"test": False}
    raw["resources"] = {"compile": True}
    sweep = check_schema(raw, "s.yaml")
    assert sweep.resources.compile is True
    assert sweep.training == {"test": False}
