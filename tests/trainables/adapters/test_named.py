"""Models that are called with several inputs by name."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dropattack import Settings, UsageError
from trainables import Data, NamedTensors, Regression, Workload, load_model
from trainables.data.named import NamedSplit
from trainables.data.streamed import Streamed, size_of
from trainables.recipe.splitting import split_for
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import _WORKLOADS as REGISTERED
from trainables.workloads import TrainingSettings, register_workload

COUNT = 60
attacks = pytest.mark.skipif(
    importlib.util.find_spec("dropattack.batches") is None, reason="methods do not know named inputs yet"
)


class Net(nn.Module):
    """Reads a picture, an age and a town."""

    def __init__(self, data: Data) -> None:
        super().__init__()
        self.picture = nn.Linear(12, 8)
        self.age = nn.Linear(1, 8)
        self.towns = nn.Embedding(4, 8)
        self.last = nn.Linear(8, data.classes)

    def forward(self, picture: Tensor, age: Tensor, town: Tensor) -> Tensor:
        hidden = self.picture(picture.flatten(1)) + self.age(age[:, None]) + self.towns(town)
        found: Tensor = self.last(torch.relu(hidden))
        return found


def inputs() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    return {
        "picture": torch.rand(COUNT, 3, 2, 2, generator=draw),
        "age": np.linspace(0, 1, COUNT),
        "town": list(range(4)) * (COUNT // 4),
    }


LABELS = [i * 2 // COUNT for i in range(COUNT)]


@pytest.fixture
def workload() -> Iterator[Workload]:
    made = Workload(
        "several",
        dataset=NamedTensors(inputs(), LABELS),
        model=Net,
        training=TrainingSettings(epochs=3, batch_size=12, learning_rate=3e-2),
    )
    yield register_workload(made)
    del REGISTERED["several"]


def training_of(workload: Workload, method: str, hyperparameters: dict[str, Any], **changes: Any) -> Training:
    settings = TrainingSettings(**{**workload.training.to_dict(), **changes})
    trial = Trial.make(workload.name, method, hyperparameters, settings, 0, "checksum")
    return Training(trial, workload.load(Path()))


def test_each_input_is_what_was_given_whole_numbers_stay_so() -> None:
    data = NamedTensors(inputs(), LABELS).load(Path(), Settings())
    splits = [data.train, data.valid, data.test]
    assert [len(split) for split in splits] == [36, 12, 12]
    age = dict(zip(inputs()["age"].astype("float32").tolist(), range(COUNT), strict=True))
    for split in splits:
        for batch, labels in split.batches(5):
            assert {name: each.dtype for name, each in batch.items()} == {
                "picture": torch.float32,
                "age": torch.float32,
                "town": torch.int64,
            }
            places = [age[value] for value in batch["age"].tolist()]
            assert torch.equal(batch["picture"], inputs()["picture"][places])
            assert batch["town"].tolist() == [place % 4 for place in places]
            assert labels.tolist() == [LABELS[place] for place in places]


def test_a_split_keeps_what_belongs_together_however_it_is_handled() -> None:
    numbers = torch.arange(20)
    whole = NamedSplit({"a": numbers.float(), "b": numbers * 2}, numbers * 3)
    assert size_of(whole) == 20 * (4 + 8 + 8)
    generator = torch.Generator().manual_seed(1)
    part = whole.subset(torch.tensor([3, 5, 7])).joined([whole.subset(torch.tensor([1]))])
    streamed = Streamed(part, torch.device("cpu"))
    for split in (whole, part, part.to(torch.device("cpu")), streamed):
        for batch, labels in [*split.batches(2, generator), *split.batches(3)]:
            assert torch.equal(batch["a"] * 2, batch["b"].float())
            assert torch.equal(batch["a"] * 3, labels.float())
    assert part.labels.tolist() == [9, 15, 21, 3]
    batch, _ = whole.take(torch.tensor([[0, 1], [2, 3]]))
    assert batch["a"].shape == (2, 2)


def test_it_trains_is_dealt_anew_saved_and_loaded(workload: Workload, tmp_path: Path) -> None:
    training = training_of(workload, "standard", {}, split="redrawn")
    for _ in range(3):
        training.epoch()
    assert training.history[-1]["train_loss"] < training.history[0]["train_loss"]
    save_atomically(training.result(), tmp_path / "model.pt")
    saved = load_model(tmp_path / "model.pt")
    data = split_for("redrawn", 0, training.trial.seed_for("split"), training.data)
    assert {len(data.train), len(training.train)} == {36}
    found = workload.objective.measure(saved.model, training.test, training.data).metrics
    assert found["accuracy"] == pytest.approx(saved.test["test_accuracy"])


def test_float_inputs_are_targets_by_name(workload: Workload) -> None:
    assert workload.target_names()[:4] == ["input", "input.picture", "input.age", "picture.weight"]
    assert workload.canonical_targets("input.age+first") == "input.age+picture.bias+picture.weight"
    assert workload.canonical_targets("input.*") == "input.age+input.picture"
    with pytest.raises(UsageError, match=r"unknown target of several .input\.town."):
        workload.canonical_targets("input.town")


@attacks
@pytest.mark.parametrize("targets", ["input", "input.age", "input.picture+first", "input.age+input.picture"])
def test_named_inputs_are_attacked(workload: Workload, targets: str) -> None:
    found = {}
    for epsilon in (0.5, 0.0):
        training = training_of(workload, "dropattack", {"targets": targets, "epsilon": epsilon, "p": 1.0})
        training.epoch()
        found[epsilon] = torch.cat([p.detach().flatten() for p in training.model.parameters()])
    assert torch.isfinite(found[0.5]).all()
    assert not torch.equal(found[0.5], found[0.0])


def test_numbers_are_learnt_too() -> None:
    data = NamedTensors(inputs(), inputs()["age"]).load(Path(), Settings())
    assert data.train.labels.dtype == torch.float32
    assert Workload(dataset=NamedTensors(inputs(), inputs()["age"]), model=Net, objective=Regression())


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"augment": "flip"}, "training.augment changes one input, and several has several"),
        ({"examples": "adversarial"}, "training.examples changes one input"),
        ({"robustness": "fgsm:0.1"}, "training.robustness changes one input"),
    ],
)
def test_what_changes_one_input_is_refused(
    workload: Workload, training: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        training_of(workload, "standard", {}, **training)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs inputs by name"),
        (torch.rand(4, 2), "needs inputs by name"),
        ({"a": torch.rand(3, 2)}, "has 3 inputs 'a' and 60 labels"),
        ({"a b": torch.rand(COUNT)}, "rename 'a b'"),
        ({"a": ["x"] * COUNT}, "a: inputs must be numbers"),
        ({"a": torch.full((COUNT, 2), torch.nan)}, "a: example 1 holds no finite number"),
    ],
)
def test_inputs_that_cannot_be_learnt_from_are_refused(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        NamedTensors(given, LABELS)


def test_other_numbers_and_other_names_are_other_data() -> None:
    first = inputs()
    changed = {**first, "town": [1, *first["town"][1:]]}
    renamed = {"image" if name == "picture" else name: each for name, each in first.items()}
    found = {NamedTensors(each, LABELS).checksum(Path(), Settings()) for each in (first, changed, renamed)}
    assert len(found) == 3
    assert NamedTensors(inputs(), LABELS).checksum(Path(), Settings()) in found
