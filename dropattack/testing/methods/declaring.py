"""What a method declares is true: names, ranges, passes, and what a step returns."""

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook

import dropattack
from dropattack import Range
from dropattack.testing.methods.cases import Case, MethodCases
from dropattack.testing.methods.models import parameters_of, standing
from trainables.code.definition import code_of


def outside(allowed: Range, default: Any) -> list[Any]:
    """Values that a hyperparameter must refuse."""
    wrong: list[Any] = [None, [default]]
    if allowed.choices is not None:
        return [*wrong, "no such choice"]
    if isinstance(default, str):
        return [*wrong, 1]
    if isinstance(default, bool):
        return [*wrong, 1, "yes"]
    wrong += [float("nan"), float("inf"), True, "1"]
    wrong += [0.5] if isinstance(default, int) else []
    wrong += [] if allowed.low is None else [allowed.low - 1]
    return wrong + ([] if allowed.high is None else [allowed.high + 1])


def _trained(case: Case) -> dict[str, Tensor]:
    """Parameters after two batches, each as often as an epoch goes through the data."""
    model = case.model()
    batches = [model.batch(), model.batch()]
    method = case.on(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    for batch in batches:
        for _ in range(int(method.settings.rounds_at(1))):
            method.step(model, batch, optimizer)
    return parameters_of(model)


class Declaring(MethodCases):
    """See the module."""

    def test_declarations_are_complete(self) -> None:
        method = dropattack.method_named(self.method)
        assert method.name == self.method
        assert method.summary.endswith(".")
        assert method.source.endswith(".")
        settings = method.settings_type()
        for name, allowed in settings.ranges().items():
            assert allowed.doc.endswith("."), name
        for values in ({}, *self.hyperparameters):
            chosen = method.settings_type.from_dict(values)
            assert chosen == method.settings_type.from_dict(chosen.to_dict())
        assert settings.passes >= 1
        assert settings.rounds_at(1) == 1

    def test_values_out_of_range_are_refused(self) -> None:
        settings = dropattack.method_named(self.method).settings_type
        defaults = {field.name: field.default for field in dataclasses.fields(settings)}
        for name, allowed in settings.ranges().items():
            for wrong in outside(allowed, defaults[name]):
                with pytest.raises(dropattack.UsageError) as caught:
                    settings.from_dict({name: wrong})
                assert "\n" not in str(caught.value)
        with pytest.raises(dropattack.UsageError, match="unknown hyperparameter"):
            settings.from_dict({"no_such_hyperparameter": 1})

    def test_canonical_settings_compute_the_same(self, case: Case) -> None:
        """A trial's key relies on it: trials of one spelling are trained once."""
        given = case.on(case.model())
        words = "input" in case.kind.names
        name, settings = type(given).canonical(given.settings, words)
        assert dropattack.method_named(name).canonical(settings, words) == (name, settings)
        canonical = dataclasses.replace(case, method=name, values=settings.to_dict())
        one, other = (_trained(each) for each in (case, canonical))
        for parameter, value in one.items():
            assert torch.allclose(value, other[parameter], rtol=1e-9, atol=1e-12), (
                f"`canonical` says that {given.name} with {given.settings} computes the same as {name} with "
                f"{settings}, and {parameter} differs"
            )

    def test_its_source_decides_what_it_computes(self) -> None:
        """It keeps records of edited code apart, so it must be in a file."""
        code_of(dropattack.method_named(self.method))

    def test_passes_are_as_many_as_declared(self, case: Case) -> None:
        model = case.model()
        forwards: list[int] = []
        backwards: list[int] = []

        def follow(_: torch.nn.Module, __: Any, outputs: Tensor) -> None:
            if outputs.requires_grad:
                forwards.append(len(outputs))
                register_multi_grad_hook([outputs], lambda _: backwards.append(len(outputs)))

        model.register_forward_hook(follow)
        method, size = case.on(model), 4
        method.step(model, model.batch(size), standing(model))
        passes = method.settings.passes
        assert sum(backwards) == passes * size, (
            f"a step on {size} examples propagates back {sum(backwards)} of them; "
            f"`passes` declares {passes} times as many as there are"
        )
        if not method.second_order:
            assert sum(forwards) == sum(backwards), (
                "forward and backward passes differ in number: declare `second_order` where a gradient is "
                "differentiated, and run what is not propagated back in `torch.no_grad`"
            )

    def test_a_step_returns_what_its_first_pass_saw(self, case: Case) -> None:
        model = case.model()
        seen: list[tuple[Tensor, Tensor]] = []

        def loss(outputs: Tensor, labels: Tensor) -> Tensor:
            found = F.cross_entropy(outputs, labels)
            seen.append((found.detach().clone(), outputs.detach().clone()))
            return found

        method = case.on(model, loss=loss)
        result = method.step(model, model.batch(), torch.optim.SGD(model.parameters(), lr=0.1))
        same = torch.equal(result.loss, seen[0][0]), torch.equal(result.outputs, seen[0][1])
        assert same[0], "`loss` is not that of the first pass"
        assert same[1], "`outputs` are not those of the first pass"
        assert not result.loss.requires_grad, "`loss` must be detached"
        assert not result.outputs.requires_grad, "`outputs` must be detached"
        for name, value in result.log.items():
            assert isinstance(value, Tensor), f"log[{name!r}] must be a tensor"
            assert value.dim() == 0, f"log[{name!r}] must have no dimensions"
            assert not value.requires_grad, f"log[{name!r}] must be detached"
