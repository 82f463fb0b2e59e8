"""Models that functions build, and workloads of them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dropattack import INPUT, UsageError
from trainables import Data, Regression, Table, Tensors, TextSplit, Workload
from trainables.adapters.model import model_of
from trainables.data.place import rooted

TENSORS = Tensors(torch.rand(40, 4), torch.arange(40) % 3)


def net(data: Data, width: int = 8, bias: bool = True, kind: str = "relu", rate: float = 0.0) -> nn.Module:
    hidden = nn.Linear(data.features, width, bias=bias)
    frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    model = nn.Sequential(hidden, nn.ReLU(), nn.Dropout(rate), nn.Linear(width, data.classes))
    model.register_parameter("frozen", frozen)
    return model


def workload(model: Any = net, **options: Any) -> Workload:
    return Workload("own", dataset=TENSORS, model=model, **options)


def test_keyword_defaults_are_settings_with_their_types() -> None:
    architecture = workload().architecture
    assert architecture.to_dict() == {"width": 8, "bias": True, "kind": "relu", "rate": 0.0}
    own = workload()
    assert own.model_settings({"width": 16}).to_dict()["width"] == 16
    assert own.summary
    for wrong, message in (({"width": 1.5}, "whole number"), ({"widht": 4}, "did you mean 'width'")):
        with pytest.raises(UsageError, match=message):
            own.model_settings(wrong)


def test_parameters_that_train_are_targets_of_each_size() -> None:
    own = workload()
    assert own.target_names() == [INPUT, "0.weight", "0.bias", "3.weight", "3.bias"]
    assert own.target_names(own.model_settings({"bias": False})) == [INPUT, "0.weight", "3.weight", "3.bias"]


def test_asking_for_targets_draws_nothing() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert workload().targets
    assert torch.equal(torch.get_rng_state(), before)


def test_the_input_of_texts_is_the_first_embedding() -> None:
    split = TextSplit(
        torch.ones(4, 3, dtype=torch.int32), torch.ones(4, dtype=torch.int64), torch.arange(4) % 2
    )
    data = Data(split, split, split, 2, "x")

    def reader(data: Data, size: int = 5) -> nn.Module:
        return nn.ModuleDict({"words": nn.Embedding(9, size), "fc": nn.Linear(size, data.classes)})

    assert model_of(reader, lambda _: data, words=True).targets == {
        INPUT: "words.weight",
        "fc.weight": "fc.weight",
        "fc.bias": "fc.bias",
    }
    with pytest.raises(UsageError, match=r"needs an nn\.Embedding"):
        _ = model_of(lambda data: nn.Linear(1, 1), lambda _: data, words=True).targets


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: None, "must be a function that takes the data"),
        (lambda width=3: None, "must take the data first"),
        (lambda data, *more: None, r"it takes \*more"),
        (lambda data, width: None, "width of the model's function"),
        (lambda data, widths=(1, 2): None, "widths of the model's function"),
        (lambda data, targets="x": None, "targets of the model's function .* rename it"),
        (3, "must be a function"),
    ],
)
def test_functions_that_cannot_be_settings_are_refused(model: Any, message: str) -> None:
    with pytest.raises((UsageError), match=message):
        workload(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda data: "no module", r"must return an nn\.Module, not str"),
        (lambda data: nn.Linear(data.nowhere, 1), "cannot be built: AttributeError"),
    ],
)
def test_functions_that_build_nothing_are_refused(model: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _ = workload(model).targets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs a dataset"),
        ({"dataset": TENSORS}, "needs either model"),
        ({"dataset": TENSORS, "model": net, "architecture": workload().architecture}, "needs either model"),
    ],
)
def test_a_workload_names_what_it_lacks(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Workload("own", **options)


def test_the_data_of_a_sample_are_those_of_the_workload(tmp_path: Path) -> None:
    assert workload().load(tmp_path).classes == 3


def test_names_of_a_model_are_looked_up_in_the_data_root_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{i},{i % 2}" for i in range(20)))
    own = Workload("own", dataset=Table("t.csv", label="b"), model=net)
    with pytest.raises(UsageError, match=r"t\.csv is missing"):
        _ = own.targets
    with rooted(tmp_path):
        assert "3.bias" in own.targets
    assert "3.bias" in own.targets, "once they are known no data are needed"


def test_a_model_that_was_built_knows_its_names_without_data(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{i},{i % 2}" for i in range(20)))
    own = Workload("own", dataset=Table("t.csv", label="b"), model=net)
    architecture = own.model_settings({"width": 3})
    architecture.build(own.load(tmp_path))
    assert "3.bias" in architecture.targets
    assert not architecture.words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": nn.Linear(1, 1)}, "a function that builds the model, not a model"),
        ({"model": net, "objective": "classification"}, r"objective is .* such as Regression\(\)"),
        ({"model": net, "objective": Regression}, r"objective is .* such as Regression\(\)"),
        ({"model": net, "training": {"epochs": 1}}, r"training is .* such as TrainingSettings\(epochs=10\)"),
    ],
)
def test_what_is_of_another_kind_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Workload("own", dataset=TENSORS, **options)
