"""A last batch of one example is refused by plan and run alike, before anything starts or is left behind."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.engine.plan import plan_sweep
from search.records.store import Store
from search.service import run_sweep
from trainables.recipe.splitting import split_for
from trainables.workloads import workload_named

WORKLOAD = '''
from dataclasses import dataclass, replace

from torch import nn

from dropattack import setting
from trainables import Architecture, Groups, Workload, named
from trainables.datasets.digits import Digits


@dataclass(frozen=True, kw_only=True)
class Flat(Architecture):
    """Settings."""

    norm: str = setting("batch", "Which.", choices=("batch", "layer"))

    def build(self, data):
        norm = nn.BatchNorm1d(8) if self.norm == "batch" else nn.LayerNorm(8)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), norm, nn.Linear(8, data.classes))

    @property
    def targets(self):
        return named({"fc1": "1", "fc2": "3"})


class Grouped(Digits):
    grouped = True

    def load(self, root, settings):
        """The first group has 40 examples, the second 80, the third all others."""
        data = super().load(root, settings)
        sizes = [len(part) for part in (data.train, data.valid, data.test)]
        names = ["a"] * 40 + ["b"] * 80 + ["c"] * (sum(sizes) - 120)
        train, valid = sizes[0], sizes[0] + sizes[1]
        return replace(data, groups=Groups.of(names[:train], names[train:valid], names[valid:]))


def grouped():
    return Workload(name="grouped", summary="Own.", dataset=Grouped(), architecture=Flat())


def flat():
    return Workload(name="flat", summary="Own.", dataset=Digits(), architecture=Flat())
'''
NUMBERS = itertools.count()
ENTIRE = 1197
"""Digits to train on."""


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"flat{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(WORKLOAD)
    monkeypatch.syspath_prepend(tmp_path)
    return f"{name}:flat"


def sweep(workload: str, training: dict[str, Any], model: dict[str, Any] | None = None) -> Sweep:
    raw: dict[str, Any] = {
        "name": "short",
        "workload": workload,
        "training": {"epochs": 1, **training},
        "model": model or {},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }
    return parse_sweep(raw)


@pytest.mark.parametrize(
    ("training", "model", "named"),
    [
        ({"train_size": 129, "batch_size": 128}, {}, "129 examples in batches of 128 leave one"),
        ({"train_size": 129, "batch_size": [100, 64]}, {}, "129 examples in batches of 64 leave one"),
        ({"train_size": [128, 161], "batch_size": 32}, {}, "161 examples in batches of 32 leave one"),
        ({"train_size": 129}, {"norm": ["layer", "batch"]}, "129 examples in batches of 128 leave one"),
        ({"batch_size": ENTIRE - 1}, {}, "1,197 examples in batches of 1196 leave one"),
        ({"train_size": 129, "last_batch": ["drop", "keep"]}, {}, "129 examples in batches of 128 leave one"),
        (
            {"batch_size": [1, 128], "last_batch": "drop"},
            {},
            "BatchNorm cannot train on one example; set a larger",
        ),
    ],
)
def test_plan_and_run_refuse_it_before_the_start(
    tmp_path: Path, flat: str, training: dict[str, Any], model: dict[str, Any], named: str
) -> None:
    definition, store = sweep(flat, training, model), Store(tmp_path / "runs")
    with pytest.raises(UsageError, match=f"^{flat}: {named}") as planned:
        plan_sweep(definition, store, tmp_path)
    with pytest.raises(UsageError) as ran:
        run_sweep(definition, store, tmp_path, Console(quiet=True))
    assert str(planned.value) == str(ran.value)
    assert not store.root.exists()


def test_it_is_told_where_it_was_written(tmp_path: Path, flat: str) -> None:
    plain = sweep(flat, {"train_size": 129}, {})
    own = plain.stages[0].model_copy(update={"training": {"train_size": 161, "batch_size": 32}})
    both = plain.model_copy(update={"training": {"epochs": 1}, "stages": (plain.stages[0], own)})
    with pytest.raises(UsageError, match=f"^stage 'grid', {flat}: 161 examples"):
        plan_sweep(both, Store(tmp_path / "runs"), tmp_path)


@pytest.mark.parametrize(
    ("training", "model"),
    [
        ({"train_size": 129, "last_batch": "drop"}, {}),
        ({"train_size": 129, "last_batch": "merge"}, {}),
        ({"train_size": 129}, {"norm": "layer"}),
        ({"train_size": 130}, {}),
        ({}, {}),
    ],
)
def test_what_the_model_can_train_on_is_planned(
    tmp_path: Path, flat: str, training: dict[str, Any], model: dict[str, Any]
) -> None:
    plan = plan_sweep(sweep(flat, training, model), Store(tmp_path / "runs"), tmp_path)
    assert plan.stages[0].left == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_each_group_that_may_be_left_out_the_rest_is_counted(
    tmp_path: Path, flat: str, place: int
) -> None:
    workload = flat.replace(":flat", ":grouped")
    data = workload_named(workload).load(tmp_path)
    left = sorted({len(split_for("leave-one-group-out", turn, 0, data).train) for turn in range(3)})
    assert left[-1] > len(data.train), "a group may be smaller than the test split"
    training = {"split": "leave-one-group-out", "batch_size": left[place] - 1}
    store = Store(tmp_path / "runs")
    with pytest.raises(
        UsageError, match=f"{left[place]:,} examples in batches of {left[place] - 1} leave one"
    ):
        plan_sweep(sweep(workload, training), store, tmp_path)
    plan = plan_sweep(sweep(workload, {**training, "split": "fixed"}), store, tmp_path)
    assert plan.stages[0].left == 1
