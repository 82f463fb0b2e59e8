"""Workloads that cannot be trained or loaded back are refused before anything starts or is left behind."""

import itertools
from collections.abc import Callable
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

SOURCE = """
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import torch
from torch import nn

from dropattack import Settings
from trainables import Architecture, Workload, named
from trainables.data.dataset import Data, Dataset
from trainables.data.groups import Groups
from trainables.data.splits import TensorSplit
from trainables.objectives import Classification, CustomObjective, Measure, MultiLabel, Regression


class Rows(Dataset):
    name = "rows"
    grouped = True

    def checksum(self, root, settings):
        return "rows"

    def load(self, root, settings):
        drawn = torch.Generator().manual_seed(0)
        inputs = torch.rand(90, 4, generator=drawn)
        labels = {labels}
        splits = [TensorSplit(inputs[i::3], labels[i::3]) for i in range(3)]
        own = dict(extras={extras}, bounds={bounds}, groups={groups})
        return Data(*splits, classes={classes}, checksum="rows", **own)


@dataclass(frozen=True, kw_only=True)
class Own(Architecture):
    def build(self, data):
        {build}

    @property
    def targets(self):
        return named({{"fc1": "0", "fc2": "2"}})


def rows():
    return Workload(
        name="rows", summary="Own.", dataset=Rows(), architecture=Own(), objective={objective},
        augmentations={augmentations},
    )
"""
GOOD = {
    "labels": "(inputs.sum(1) > 2).long()",
    "classes": 2,
    "extras": '{"features": 4}',
    "build": 'return nn.Sequential(nn.Linear(data.extras["features"], 8), nn.ReLU(), nn.Linear(8, 2))',
    "objective": "Classification()",
    "bounds": "(0.0, 1.0)",
    "groups": "None",
    "augmentations": "{}",
}
NUMBERS = itertools.count()
Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Writes a workload that differs from a good one, and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def written(**changes: Any) -> str:
        name = f"rehearsed{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(SOURCE.format(**{**GOOD, **changes}))
        return f"{name}:rows"

    return written


def defined(workload: str, metric: str = "loss", **training: Any) -> Sweep:
    raw: dict[str, Any] = {
        "name": "own",
        "workloads": [workload],
        "select": {"metric": metric},
        "training": {"epochs": 1, **training},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }
    return parse_sweep(raw)


def run(workload: str, store: Path, metric: str = "loss", **training: Any) -> None:
    sweep = defined(workload, metric, **training)
    run_sweep(sweep, Store(store), Path("unused"), Console(quiet=True))


AUGMENTED = r"training.augment \S+ is for images .*, and inputs have the shape \[4\]"


def build(*lines: str) -> str:
    return "\n        ".join(lines)


BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "numpy among the extras": (
        {"extras": '{"features": 4, "mu": inputs.numpy().mean(0)}'},
        {},
        r"Data.extras\['mu'\] holds numpy.ndarray",
    ),
    "numpy deep among the extras": (
        {"extras": '{"features": 4, "of": {"scale": [numpy.float32(2)]}}'},
        {},
        r"Data.extras\['of'\] holds numpy.float32",
    ),
    "a model that asks the data for their shape": (
        {"build": "return nn.Sequential(nn.Linear(data.train.inputs.shape[1], 2), nn.ReLU(), nn.Tanh())"},
        {},
        r"cannot be loaded back: AttributeError.*must be in Data.extras",
    ),
    "a model that asks the data for a number": (
        {
            "build": build(
                "few = len(data.train)",
                "return nn.Sequential(nn.Linear(4, few or 3), nn.ReLU(), nn.Linear(few or 3, 2))",
            )
        },
        {},
        r"cannot be loaded back: UsageError.*does not hold the parameters",
    ),
    "a model that keeps what it needs elsewhere": (
        {
            "build": build(
                "model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))",
                "shift = 5.0 if len(data.train) else 0.0",
                "model.register_forward_pre_hook(lambda module, args: (args[0] * (1 + shift),))",
                "return model",
            )
        },
        {},
        r"has another loss once it is loaded back",
    ),
    "outputs that are fewer than the classes": (
        {"build": "return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))"},
        {},
        r"returns \[2, 1\] for 2 examples of 2 classes; it must return one number for each class, \[2, 2\]",
    ),
    "several outputs": (
        {
            "build": build(
                "model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))",
                "model.register_forward_hook(lambda module, args, out: (out, out))",
                "return model",
            )
        },
        {},
        r"returns a tuple for 2 examples of 2 classes",
    ),
    "numbers as classes": ({"labels": "inputs.sum(1)"}, {}, r"needs class numbers as labels"),
    "classes as numbers": ({"objective": "Regression()"}, {}, r"needs numbers as labels"),
    "more classes than there are": ({"labels": "torch.arange(90) % 3"}, {}, r"labels range from . to 2"),
    "outputs of another shape than the labels": (
        {"labels": "inputs.sum(1)", "objective": "Regression()"},
        {},
        r"outputs \[16, 2\] must have the shape of labels \[16\]",
    ),
    "a metric that is no number": (
        {"objective": 'CustomObjective(nn.functional.cross_entropy, {"all": Measure(lambda o, y: o)})'},
        {},
        r"the metric all must be one number",
    ),
    "a model that takes no such input": (
        {"build": "return nn.Sequential(nn.Linear(7, 8), nn.ReLU(), nn.Linear(8, 2))"},
        {},
        r"cannot be trained: RuntimeError",
    ),
    "a slip in the model": (
        {"build": "return nn.Sequential(nn.Linear(4, 8), torch.rleu, nn.Linear(8, 2))"},
        {},
        r"cannot be trained: AttributeError: .*'rleu' \(rehearsed\d+\.py:36 in build\)",
    ),
    "a slip in the reading of the data": (
        {"labels": "(inputs.sum(1) > 2).lnog()"},
        {},
        r"cannot be loaded: AttributeError: .*'lnog' \(rehearsed\d+\.py:27 in load\)",
    ),
    "an operation that has no float16 here": (
        {
            "build": build(
                "class Bessel(nn.Module):",
                "    def forward(self, rows):",
                "        return rows + torch.special.bessel_j0(rows.detach())",
                "return nn.Sequential(nn.Linear(4, 6), Bessel(), nn.Linear(6, 2))",
            )
        },
        {"precision": "float16"},
        r"cannot be trained: NotImplementedError: .*not implemented for 'Half'",
    ),
    "an attack on images": ({}, {"robustness": "square-5:0.1"}, r"the attack square-5 is for images"),
    "an augmentation of images": ({}, {"augment": "crop-flip"}, AUGMENTED),
    "another of them": ({}, {"augment": ["none", "trivial-augment"]}, AUGMENTED),
    "one that leaves the bounds": (
        {"augmentations": '{"noise": lambda inputs: inputs + torch.randn_like(inputs)}'},
        {"augment": "noise"},
        r"training.augment noise leaves the bounds of the data, 0 to 1",
    ),
    "one that leaves the bounds of a feature": (
        {
            "bounds": "(torch.zeros(4), torch.tensor([1.0, 1, 1, 2]))",
            "augmentations": '{"twice": lambda inputs: inputs * 2}',
        },
        {"augment": "twice"},
        r"training.augment twice leaves the bounds of the data, 0..0 to 1..2",
    ),
    "groups that the data do not name": (
        {},
        {"split": "leave-one-group-out"},
        r"training.split leave-one-group-out needs a group of each example, and these data name none",
    ),
    "more than is left beside a group": (
        {"groups": "Groups.of(*[['b' if i % 3 else 'a' for i in range(30)]] * 3)"},
        {"split": "leave-one-group-out", "train_size": 21},
        r"training.train_size 21 is more than the 15 examples",
    ),
    "weights of other classes": (
        {"objective": "Classification(class_weights=(1, 2, 3))"},
        {},
        r"class_weights has 3 numbers for 2 classes",
    ),
}
BY_A_PLAN = {
    *("numbers as classes", "classes as numbers", "more classes than there are", "weights of other classes"),
    *("an augmentation of images", "another of them"),
    *("groups that the data do not name", "more than is left beside a group"),
    *("one that leaves the bounds", "one that leaves the bounds of a feature"),
}
"""Those that the data alone show."""


@pytest.mark.parametrize("name", BROKEN)
def test_what_could_not_be_used_is_refused_and_nothing_is_left(make: Make, tmp_path: Path, name: str) -> None:
    changes, training, message = BROKEN[name]
    with pytest.raises(UsageError, match=message) as caught:
        run(make(**changes), tmp_path / "runs", **training)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", sorted(BY_A_PLAN))
def test_a_plan_refuses_what_the_data_show(make: Make, tmp_path: Path, name: str) -> None:
    changes, training, message = BROKEN[name]
    with pytest.raises(UsageError, match=message) as caught:
        plan_sweep(defined(make(**changes), **training), Store(tmp_path / "runs"), Path("unused"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentations": '{"dropped": lambda inputs: inputs * (torch.rand_like(inputs) < 0.5)}'},
        {
            "augmentations": '{"dropped": lambda inputs: inputs + torch.randn_like(inputs)}',
            "bounds": "(-9.0, 9.0)",
        },
        {
            "augmentations": '{"dropped": lambda inputs: inputs + torch.randn_like(inputs)}',
            "bounds": "(0.4, 0.6)",
        },
    ],
)
def test_an_augmentation_in_the_bounds_or_of_data_outside_of_them_passes(
    make: Make, tmp_path: Path, changes: dict[str, str]
) -> None:
    (stage,) = plan_sweep(
        defined(make(**changes), augment="dropped"), Store(tmp_path / "runs"), Path("unused")
    ).stages
    assert stage.left == 1


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("auroc", "select.metric: unknown metric of .*'auroc'; .*valid: loss, accuracy, macro_f1, f1"),
        ("rmse", "unknown metric of"),
    ],
)
def test_a_metric_that_is_not_measured_is_refused(
    make: Make, tmp_path: Path, metric: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(make(), tmp_path / "runs", metric)


def test_looking_for_the_worst_is_refused(make: Make) -> None:
    worst = 'CustomObjective(nn.functional.cross_entropy, {"worst": Measure(lambda o, y: o.max(), False)})'
    raw: dict[str, Any] = {
        "name": "own",
        "workloads": [make(objective=worst)],
        "select": {"metric": "worst"},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }
    with pytest.raises(UsageError, match=r"select.mode: less worst is better for .*; set select.mode: min"):
        parse_sweep(raw)
    raw["select"]["mode"] = "min"
    assert parse_sweep(raw).select.sign == -1
