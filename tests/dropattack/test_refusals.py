"""Loops that cannot train say so in one line, whatever the method."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from dropattack import Task, UsageError
from trainables.workloads import workload_named

X, Y = torch.rand(6, 3), torch.tensor([0, 1, 0, 1, 1, 0])
NAMES = sorted(dropattack.registered())


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def stepped(name: str, model: nn.Module, task: Task | None = None) -> Any:
    return dropattack.create(name, task=task).step(model, (X, Y), torch.optim.SGD(model.parameters(), lr=0.1))


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", NAMES)
def test_without_gradients_nothing_is_trained(name: str, off: Any) -> None:
    model = network()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with off(), pytest.raises(UsageError, match=r"outside of torch\.no_grad and inference_mode"):
        stepped(name, model)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("name", ["standard", "sam", "fgm", "awp", "dropattack", "freeat"])
def test_a_loss_without_its_graph_is_refused(name: str) -> None:
    task = Task(loss=lambda outputs, labels: F.cross_entropy(outputs.detach(), labels))
    with pytest.raises(UsageError, match="depends on no parameter that is trained"):
        stepped(name, network(), task)


@pytest.mark.parametrize("name", ["standard", "sam", "asam", "esam-swp", "awp", "rwp", "l2"])
def test_a_model_whose_parameters_are_all_frozen_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="requires_grad"):
        stepped(name, network().requires_grad_(False))


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (
            lambda model, inputs, labels: F.cross_entropy(model(inputs), labels),
            "loss and the outputs, not Tensor",
        ),
        (lambda model, inputs, labels: None, "not NoneType"),
        (lambda model, inputs, labels: {"loss": 1, "outputs": 2}, "not dict"),
        (lambda model, inputs, labels: ([model(inputs)], 0), "of type list"),
    ],
)
def test_a_pass_of_ones_own_gives_loss_and_outputs(gives: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        stepped("sam", network(), Task(compute=gives))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [None, "sgd", [], nn.Linear(2, 2)])
def test_what_is_no_optimizer_is_refused(given: Any) -> None:
    method = dropattack.create("fgm")
    with pytest.raises(UsageError, match=f"needs an optimizer of torch, not {type(given).__name__}"):
        method.step(network(), (X, Y), given)


@pytest.mark.parametrize("scale", ["a", None, torch.ones(3), [1.0]])
def test_a_scale_is_one_number(scale: Any) -> None:
    with pytest.raises(UsageError, match="scale must be one number"):
        dropattack.create("sam").accumulate(network(), (X, Y), scale=scale)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        (None, {}, "a method's name is text, such as 'dropattack', not NoneType"),
        (nn.Linear, {}, "is text, such as 'dropattack', not type"),
        ("sam", {"task": {"loss": F.mse_loss}}, r"must be a dropattack\.Task, .*, not dict"),
        ("sam", {"task": F.mse_loss}, "not function"),
    ],
)
def test_a_method_is_built_by_a_name_and_a_task(name: Any, values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        dropattack.create(name, **values)


class Pairs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, rows: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(rows) * factor.mean()
        return logits


@pytest.mark.parametrize("factor", [torch.ones(2, 2), torch.ones(3)])
@pytest.mark.parametrize("name", ["fgm", "freelb", "pgd", "awp", "dropattack"])
def test_inputs_of_other_lengths_are_attacked_one_by_one(name: str, factor: torch.Tensor) -> None:
    """Those that are no rows of examples have no part in a norm for each example."""
    for inputs in ({"rows": X, "factor": factor}, {"factor": factor, "rows": X}):
        model = Pairs()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with pytest.raises(UsageError, match=r"one row for each example; name the one to attack"):
            dropattack.create(name).step(model, (inputs, Y), optimizer)
        named = Task(names={"input": "input.rows"})
        assert dropattack.create(name, task=named).step(model, (inputs, Y), optimizer).loss.isfinite()


def test_a_wrong_parameter_in_names_is_what_is_named() -> None:
    task = Task(names={"input": "embedding.weight"})
    with pytest.raises(UsageError, match=r"maps 'input' to no parameter of the model: .*'embedding.weight'"):
        stepped("fgm", network(), task)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fgsm", {}),
        ("fgsm-rs", {}),
        ("n-fgsm", {}),
        ("freeat", {}),
        ("pgd", {"preset": "madry"}),
        ("trades", {}),
    ],
)
def test_a_ball_wider_than_the_pixels_range_is_refused(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(
        UsageError, match=r"epsilon 8 exceeds 1, the whole range of pixels .*; for 8 of 255 set 0\.0314"
    ) as e:
        dropattack.create(name, epsilon=8, clamp=True, **values)
    assert "\n" not in str(e.value)
    with pytest.raises(UsageError, match="epsilon 8 exceeds"):
        workload_named("digits-lenet5").method_settings(name, {"epsilon": 8, "clamp": True, **values})
    for fitting in ({"epsilon": 1, "clamp": True}, {"epsilon": 8, "clamp": False}):
        dropattack.create(name, **values, **fitting)


def test_an_l2_ball_may_be_wider_than_a_pixels_range() -> None:
    for name in ("fgm", "pgd", "trades"):
        dropattack.create(name, epsilon=8, clamp=True, **({} if name == "fgm" else {"norm": "l2"}))
