"""Sweeps that are built in Python: the same as files, and refused in the same words."""

import json
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.api.sweep import Sweep, as_defined
from search.definition.source import bundled_sweeps
from search.definition.sweepfile import load_sweep

STAGES: list[dict[str, Any]] = [
    {"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1], "p": 0.5}}},
    {
        "name": "search",
        "search": {
            "kind": "optuna",
            "trials": 9,
            "sampler": "tpe",
            "enqueue": [{"method": "sam", "rho": 0.1}],
        },
        "scheduler": "asha",
        "methods": {"sam": {"rho": {"low": 0.1, "high": 0.5, "step": 0.1}}},
    },
]


def _sweep(**changes: Any) -> Sweep:
    return Sweep(**{"name": "mine", "workload": "digits-lenet5", "seeds": [0, 1], "stages": STAGES} | changes)


def test_a_sweep_in_python_is_the_one_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        json.dumps({"name": "mine", "workload": "digits-lenet5", "seeds": [0, 1], "stages": STAGES})
    )
    assert Sweep.load(path) == _sweep()
    assert as_defined(_sweep()) == load_sweep(str(path)) == as_defined(path)


@pytest.mark.parametrize("name", bundled_sweeps())
def test_bundled_sweeps_load_as_they_are(name: str) -> None:
    assert as_defined(Sweep.load(name)) == load_sweep(name)


def test_one_key_is_set_and_the_others_stay() -> None:
    changed = _sweep().set("stages.search.search.trials", 3).set("training.epochs", 2).set("seeds", (4, 5))
    search = changed.stages[1].search
    assert (search.trials, changed.training, changed.seeds) == (3, {"epochs": 2}, (4, 5))  # type: ignore[union-attr]  # it samples
    assert changed.stages[0] == _sweep().stages[0]
    assert _sweep().seeds == (0, 1), "what was changed is a copy"
    assert type(changed) is Sweep


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sedes", [1], "unknown key 'sedes'; did you mean 'seeds'"),
        ("seeds", 3, "seeds: must be a list"),
        ("stages.serch.search.trials", 3, "set stages.serch.search.trials: unknown stage 'serch'"),
        ("stages.search.search.trials", 0, r"stages\.search\.search\.trials: .*at least 1"),
        ("training.epochz", 3, "unknown training option 'epochz'"),
        ("name.first", "a", "set name.first: 'first' is not inside a mapping"),
    ],
)
def test_what_is_set_wrong_is_refused_in_a_line(path: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        _sweep().set(path, value)
    assert "\n" not in str(refused.value)
    assert "--set" not in str(refused.value)


def test_a_sweep_that_is_built_wrong_is_refused_in_a_line() -> None:
    with pytest.raises(UsageError, match="unknown workload 'digits-lenet'"):
        _sweep(workload="digits-lenet")
    with pytest.raises(UsageError, match="stages: is missing"):
        Sweep(name="mine", workload="digits-lenet5")
