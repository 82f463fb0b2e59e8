"""Batches of any form: what the model is called with, what the loss is given, and what cannot be one."""

from collections import UserDict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

import dropattack
from dropattack import Task, UsageError
from dropattack.batches import Labelled, arranged, size_of

X, Y, W = torch.rand(3, 2), torch.tensor([0, 1, 0]), torch.tensor([1.0, 0.5, 2.0])


class Plain(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Own(nn.Module):
    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return x


class Anything(nn.Module):
    def forward(self, **inputs: Tensor) -> Tensor:
        return inputs["x"]


def own_loss(outputs: Any, labels: Any) -> Tensor:
    return torch.zeros(())


@pytest.mark.parametrize(
    ("batch", "inputs", "labels"),
    [
        ((X, Y), X, Y),
        ([X, Y], X, Y),
        (([X, W], Y), (X, W), Y),
        (((X, W), Y), (X, W), Y),
        ((X,), X, None),
        ((X, None), X, None),
        (X, X, None),
        ((X, (Y, W)), X, (Y, W)),
        ((X, {"a": Y}), X, {"a": Y}),
        ((X, Y, W), X, Labelled(Y, (W,))),
        ((UserDict(x=X), Y), {"x": X}, Y),
    ],
)
def test_inputs_and_labels(batch: Any, inputs: Any, labels: Any) -> None:
    assert repr(arranged(batch, Task(), Plain())) == repr((inputs, labels))


def test_a_packed_sequence_is_one_input() -> None:
    packed = pack_sequence([X])
    assert arranged(packed, Task(), Plain()) == (packed, None)


@pytest.mark.parametrize("kind", [dict, UserDict])
def test_labels_of_a_mapping_go_where_they_are_needed(kind: Any) -> None:
    """To the model where it computes its loss, else to the task's loss, or to the default one."""
    batch = kind(x=X, labels=Y)
    assert arranged(batch, Task(), Own())[0].keys() == {"x", "labels"}
    assert arranged(batch, Task(), Anything())[0].keys() == {"x", "labels"}
    for task, model in ((Task(), Plain()), (Task(loss=own_loss), Own())):
        inputs, labels = arranged(batch, task, model)
        assert list(inputs) == ["x"]
        assert labels is Y
    assert set(batch) == {"x", "labels"}
    computed = Task(loss=own_loss, compute=lambda model, inputs, labels: (model(**inputs), None))
    assert arranged(batch, computed, Own())[0].keys() == {"x", "labels"}


def test_labels_of_a_wrapped_model() -> None:
    assert arranged({"x": X, "labels": Y}, Task(), nn.DataParallel(Plain()))[1] is Y


@pytest.mark.parametrize("batch", ["text", 3, None, (), []])
def test_what_is_no_batch(batch: Any) -> None:
    with pytest.raises(UsageError, match=r"a batch must be \(inputs, labels\) or a mapping") as caught:
        arranged(batch, Task(), Plain())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        ((X, Y), 3),
        ((X, None), 3),
        (({"a": torch.ones(()), "x": X}, None), 3),
        ((X, Labelled(Y[:2], (W,))), 2),
        ((X[:0], Y[:0]), 0),
        ((None, None), 1),
    ],
)
def test_the_number_of_examples(batch: Any, size: int) -> None:
    assert size_of(batch) == size


class Linear(nn.Module):
    """Gives its logits in some structure."""

    def __init__(self, give: Any = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(2, 2)
        self.give = give or (lambda logits: logits)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        return self.give(self.fc(x))


def step(model: nn.Module, batch: Any, name: str = "fgm", **task: Any) -> dropattack.StepResult:
    method = dropattack.create(name, task=Task(generator=torch.Generator().manual_seed(1), **task))
    return method.step(model, batch, torch.optim.SGD(model.parameters(), lr=0.0))


@pytest.mark.parametrize("name", sorted(dropattack.registered()))
@pytest.mark.parametrize(
    ("batch", "give", "words"),
    [
        ((X, Y), lambda logits: (logits,), "needs a tensor of logits, and the model returns tuple"),
        ((X, Y), lambda logits: {"a": logits}, "needs a tensor of logits, and the model returns dict"),
        ((X, (Y, Y)), None, "needs a tensor of labels, and the batch has tuple"),
        ((X, Y, W), None, "takes labels alone, and the batch has 2 parts behind its inputs"),
        ((X, None), None, "no labels, and the model's outputs hold no loss"),
        ({"x": X}, lambda logits: {"logits": logits}, "the batch has no labels, and"),
        ((X, None), lambda logits: SimpleNamespace(loss=None, logits=logits), "the batch has no labels, and"),
        ((X[:0], Y[:0]), None, "the batch is empty"),
    ],
)
def test_what_the_default_loss_cannot_use_is_one_line(batch: Any, give: Any, words: str, name: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        step(Linear(give), batch, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "give",
    [
        lambda logits: logits.square().mean(),
        lambda logits: (logits.square().mean(), logits),
        lambda logits: {"loss": logits.square().mean(), "logits": logits},
        lambda logits: SimpleNamespace(loss=logits.square().mean(), logits=logits),
    ],
)
@pytest.mark.parametrize("name", ["fgm", "sam", "dropen", "dropattack"])
def test_a_loss_inside_of_the_model(name: str, give: Any) -> None:
    model, plain = Linear(give), Linear()
    inside = step(model, X, name)
    outside = step(plain, (X, Y), name, loss=lambda outputs, _: outputs.square().mean())
    torch.testing.assert_close(inside.loss, outside.loss)
    for one, other in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_weights_of_examples_reach_the_loss(name: str) -> None:
    seen: list[Any] = []

    def weighted(outputs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        seen.append(len(outputs) == len(labels) == len(weights))
        return (F.cross_entropy(outputs, labels, reduction="none") * weights).mean()

    model = Linear()
    expected = weighted(model(X), Y, W).detach()
    result = step(model, (X, Y, W), name, loss=weighted)
    assert all(seen)
    if name not in ("dropout", "fgsm-rs", "freelb", "n-fgsm", "rwp"):  # whose first pass is no clean one
        torch.testing.assert_close(result.loss, expected)


def test_outputs_with_logits_go_with_labels_outside() -> None:
    model = Linear(lambda logits: SimpleNamespace(loss=None, logits=logits))
    torch.testing.assert_close(step(model, (X, Y)).loss, step(Linear(), (X, Y)).loss)


def test_a_task_computes_what_a_pass_is() -> None:
    def compute(model: nn.Module, inputs: Any, labels: Any) -> tuple[Tensor, Any]:
        outputs = model(inputs), model(-inputs)
        return sum((F.cross_entropy(out, labels) for out in outputs), torch.zeros(())), outputs

    model = Linear()
    result = step(model, (X, Y), "sam", compute=compute)
    assert len(result.outputs) == 2
    expected = F.cross_entropy(model(X), Y) + F.cross_entropy(model(-X), Y)
    torch.testing.assert_close(result.loss, expected.detach())


def test_an_input_of_two_calls_is_one_line() -> None:
    def compute(model: nn.Module, inputs: Any, labels: Any) -> tuple[Tensor, Any]:
        return F.cross_entropy(model(inputs) + model(-inputs), labels), None

    with pytest.raises(UsageError, match="used twice in one pass; attack weights, or call the model once"):
        step(Linear(), (X, Y), "fgm", compute=compute)


def test_several_mappings_are_one_update() -> None:
    model, whole = Linear(), Linear()
    batches = [{"x": X, "labels": Y}, {"x": X[:1] + 1, "labels": Y[:1]}]
    method = dropattack.create("standard")
    taken = [({"x": b["x"]}, b["labels"]) for b in batches]
    seen = method.step_on(model, taken, torch.optim.SGD(model.parameters(), 0.1))
    joined = torch.cat([X, X[:1] + 1]), torch.cat([Y, Y[:1]])
    dropattack.create("standard").step(whole, joined, torch.optim.SGD(whole.parameters(), 0.1))
    assert seen.outputs.shape == (4, 2)
    for one, other in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other)
