"""A step leaves the model as it was, except for the optimizer's update and what the method owns."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook

from dropattack.testing.methods.cases import Case, MethodCases, about, moved
from dropattack.testing.methods.models import (
    Attention,
    Layered,
    Model,
    Normalised,
    Recurrent,
    parameters_of,
    standing,
)

PLACES = ("forward", "loss", "backward", "update")
"""Where a step may break: a model's forward or backward pass, the loss, the optimizer's update."""


def traces(model: nn.Module) -> dict[str, Any]:
    """What a method may leave on a model beside values: hooks, modes, flags, replaced parameters."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key.endswith("_hooks"):
                found[f"{name}.{key}"] = len(value)
            elif value is None or isinstance(value, bool | int | float | str):
                found[f"{name}.{key}"] = value
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found[name] = (id(parameter), parameter.requires_grad)
        found[f"hooks of {name}"] = len(parameter._backward_hooks or ())
    return found


class Breaking:
    """Raises at the n-th passing of a place, and counts the passings of every place."""

    def __init__(self, place: str = "", nth: int = 0) -> None:
        self.place, self.nth = place, nth
        self.passed = dict.fromkeys(PLACES, 0)

    def at(self, place: str) -> None:
        """Passes a place."""
        self.passed[place] += 1
        if (place, self.passed[place] - 1) == (self.place, self.nth):
            raise RuntimeError("out of memory")

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy."""
        self.at("loss")
        return F.cross_entropy(outputs, labels)

    def follow(self, model: nn.Module) -> None:
        """Passes the calls of a model and their backward passes."""

        def follow(_: nn.Module, __: Any, outputs: Tensor) -> None:
            self.at("forward")
            if outputs.requires_grad:
                register_multi_grad_hook([outputs], lambda _: self.at("backward"))

        model.register_forward_hook(follow)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Passes the updates of an optimizer that leaves the parameters where they are."""
        optimizer = standing(model)
        optimizer.register_step_pre_hook(lambda *_: self.at("update"))
        return optimizer


class Restoring(MethodCases):
    """See the module."""

    def test_parameters_are_restored_bit_for_bit_but_those_that_the_method_owns(self, case: Case) -> None:
        model = case.model()
        start, before = parameters_of(model), traces(model)
        method = case.on(model)
        for _ in range(2):
            method.step(model, model.batch(), standing(model))
        owned = method.owns(model)
        left = sorted(set(moved(start, model)) - set(owned))
        assert not left, f"after a step whose update is zero these parameters differ: {', '.join(left)}; " + (
            "restore what is perturbed, in place and bit for bit, before the update, or declare it in `owns`"
        )
        idle = sorted(set(owned) - set(moved(start, model)))
        assert not idle, f"the method owns {', '.join(idle)} and does not train them"
        assert all(parameter is model.get_parameter(name) for name, parameter in owned.items())
        assert traces(model) == before, "a step leaves hooks, modes or flags behind on the model"

    def test_the_model_is_as_it_was_when_a_step_breaks(self, case: Case) -> None:
        whole = self._broken(case, Breaking(), lambda model, step: step())
        for place, passed in whole.passed.items():
            assert passed, f"a step has no {place}; use the task's loss and the optimizer"
            for nth in range(passed):
                self._broken(case, Breaking(place, nth), self._restored)

    @staticmethod
    def _broken(
        case: Case, breaking: Breaking, run: Callable[[Model, Callable[[], object]], object]
    ) -> Breaking:
        model = case.model()
        batch = model.batch()
        breaking.follow(model)
        method = case.on(model, loss=breaking.loss)
        optimizer = breaking.optimizer(model)
        run(model, lambda: method.step(model, batch, optimizer))
        return breaking

    @staticmethod
    def _restored(model: Model, step: Callable[[], object]) -> None:
        start, before = parameters_of(model), traces(model)
        with pytest.raises(RuntimeError, match="out of memory"):
            step()
        left = moved(start, model)
        assert not left, f"after a step that breaks these parameters differ: {', '.join(left)}; " + (
            "restore them in a `finally`"
        )
        assert traces(model) == before, "a step that breaks leaves hooks, modes or flags behind on the model"

    def test_the_optimizer_leaves_alone_what_the_method_owns(self, case: Case) -> None:
        model = case.model()
        method = case.on(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
        method.step(model, model.batch(), optimizer)
        updated = {name for name, parameter in model.named_parameters() if parameter in optimizer.state}
        owned = set(method.owns(model))
        both = sorted(updated & owned)
        assert not both, f"the optimizer updates {', '.join(both)} too, which the method owns"
        assert updated == set(dict(model.named_parameters())) - owned, "parameters are left out of the update"

    @about(Layered, Normalised, Recurrent, Attention)
    def test_frozen_parameters_stay_and_get_no_gradient(self, case: Case) -> None:
        model = case.model()
        model.fc.weight.requires_grad_(False)
        frozen = model.fc.weight.detach().clone()
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        case.on(model).step(model, model.batch(), optimizer)
        stayed = torch.equal(model.fc.weight, frozen)
        assert stayed, "a step moves a parameter that is frozen"
        assert model.fc.weight.grad is None, "a frozen parameter gets a gradient"

    @about(Normalised)
    def test_batch_statistics_are_counted_once_an_update(self, case: Case) -> None:
        """Of the first pass: an attacked one sees what no test will show."""
        model = case.model()
        assert isinstance(model, Normalised)
        seen: list[Tensor] = []
        model.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
        counting = Breaking()
        case.on(model).step(model, model.batch(), counting.optimizer(model))
        counted, mean = model.norm.num_batches_tracked, model.norm.running_mean
        assert counted is not None
        assert mean is not None
        assert counted.item() == counting.passed["update"], (
            "BatchNorm counts attacked passes too; run them in `dropattack.modes.frozen_batch_statistics`"
        )
        if counted == 1:
            torch.testing.assert_close(mean, 0.1 * seen[0].mean((0, 2, 3)))
