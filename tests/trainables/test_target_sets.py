"""Targets by name, pattern and group."""

import pytest
import torch
from torch import nn

from dropattack import UsageError
from trainables import Data, ImageSplit, Tensors, Workload
from trainables.target_sets import GROUPS, expanded
from trainables.workloads import workload_named


class Block(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(size, size), nn.Linear(size, size)
        self.norm1, self.output = nn.LayerNorm(size), nn.Linear(size, size, bias=False)


def build(data: object) -> nn.Module:
    layers = {"stem": nn.Linear(4, 4), "layer1": Block(4), "layer10": Block(4), "head": nn.Linear(4, 2)}
    return nn.ModuleDict(layers)


OWN = Workload("own", dataset=Tensors(torch.rand(20, 4), torch.arange(20) % 2), model=build)


def targets(text: str, workload: Workload = OWN) -> list[str]:
    return workload.canonical_targets(text).split("+")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stem.weight", ["stem.weight"]),
        ("layer1.query.*", ["layer1.query.bias", "layer1.query.weight"]),
        ("layer1.*.weight", [f"layer1.{n}.weight" for n in ("key", "norm1", "output", "query")]),
        ("*.output.weight", ["layer1.output.weight", "layer10.output.weight"]),
        ("layer1?.norm1.bias", ["layer10.norm1.bias"]),
        ("norms", [f"layer{i}.norm1.{k}" for i in (1, 10) for k in ("bias", "weight")]),
        ("first", ["stem.bias", "stem.weight"]),
        ("last", ["head.bias", "head.weight"]),
        ("input+last", ["input", "head.bias", "head.weight"]),
        ("last+head.*", ["head.bias", "head.weight"]),
    ],
)
def test_patterns_and_groups_are_the_targets_that_they_stand_for(text: str, expected: list[str]) -> None:
    assert sorted(targets(text)) == sorted(expected)
    assert targets(OWN.canonical_targets(text)) == targets(text), "what is spelt out stays as it is"


def test_groups_of_a_model() -> None:
    assert len(targets("biases")) == 8
    assert all(name.endswith("bias") for name in targets("biases"))
    assert {name.split(".")[1] for name in targets("attention")} == {"query", "key"}


def test_shipped_models_have_patterns_and_groups_too() -> None:
    lenet, resnet = workload_named("mnist-lenet5"), workload_named("cifar10-resnet20")
    assert targets("conv*.w", lenet) == ["conv1.w", "conv2.w"]
    assert targets("biases", lenet) == ["conv1.b", "conv2.b", "fc1.b", "fc2.b", "fc3.b"]
    assert targets("first+input", lenet) == ["input", "conv1.b", "conv1.w"]
    norms = targets("norms", resnet)
    assert norms
    assert all("bn" in name for name in norms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer1", r"unknown target of own 'layer1'; did you mean 'layer1\.\*', which are 7\?"),
        ("query.weight", r"did you mean 'layer1\.query\.weight' or 'layer10\.query\.weight'\?"),
        ("stem.weigth", r"did you mean 'stem\.weight'"),
        ("norm", "did you mean 'norms'"),
        ("nothing*", r"no target of own matches 'nothing\*'; valid: input, stem\.weight"),
        ("zzz", "and 9 more; `dropattack targets` lists them"),
    ],
)
def test_what_stands_for_nothing_is_refused_with_at_most_ten_names(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        OWN.canonical_targets(text)
    listed = str(refused.value).partition("valid: ")[2].partition(" and ")[0]
    assert len(listed.split(", ")) <= 10


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(UsageError, match="mnist-lenet5 has no attention"):
        workload_named("mnist-lenet5").canonical_targets("attention")


def test_each_group_has_a_meaning() -> None:
    for group in GROUPS:
        assert expanded(group, OWN.targets, OWN.target_names(), "own")


class Sequence(nn.Sequential):
    """Norms that only their classes tell: by their names they are layers 1 and 3."""


def unnamed(data: object) -> nn.Module:
    return Sequence(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def test_norms_are_known_by_their_classes_where_the_model_is_a_function() -> None:
    own = Workload("own", dataset=Tensors(torch.rand(20, 4), torch.arange(20) % 2), model=unnamed)
    assert targets("norms", own) == ["1.bias", "1.weight", "3.bias", "3.weight"]


@pytest.mark.parametrize("name", ["cifar10-vgg16", "cifar10-resnet18", "cifar10-resnet20"])
def test_norms_of_shipped_models_are_those_of_their_classes(name: str) -> None:
    workload = workload_named(name)
    pixels = ImageSplit(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.arange(2))
    model = workload.architecture.build(Data(pixels, pixels, pixels, 10, "x"))
    norms = {
        f"{path}.{kind}"
        for path, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
    assert {workload.targets[target] for target in targets("norms", workload)} == norms
