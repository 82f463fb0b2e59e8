"""Methods of which each breaks the contract in its own way."""

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import dropattack
from dropattack import Method, Settings, StepResult, setting


@dataclass(frozen=True, kw_only=True)
class SizedSettings(Settings):
    size: float = setting(0.1, "Size of whatever it is.", low=0)


class Honest(Method[SizedSettings]):
    name = "example"
    summary = "Standard training."
    source = "This file."
    settings_type = SizedSettings

    def gather(self, model, batch):
        return StepResult(*self.forward_backward(model, *batch))

    def perturbed(self, model, batch):
        """A pass at weights that are moved by numbers that binary fractions cannot hold."""
        for parameter in model.parameters():
            parameter.data.add_(0.1)
        return StepResult(*self.forward_backward(model, *batch))


class ForgetsToRestore(Honest):
    def gather(self, model, batch):
        return self.perturbed(model, batch)


class RestoresByRounding(Honest):
    def gather(self, model, batch):
        seen = self.perturbed(model, batch)
        for parameter in model.parameters():
            parameter.data.sub_(0.1)
        return seen


class RestoresWhenAllGoesWell(Honest):
    def gather(self, model, batch):
        before = [parameter.detach().clone() for parameter in model.parameters()]
        seen = self.perturbed(model, batch)
        for parameter, value in zip(model.parameters(), before, strict=True):
            parameter.data.copy_(value)
        return seen


class LeavesAHook(Honest):
    def gather(self, model, batch):
        model.fc.register_forward_hook(lambda *_: None)
        return super().gather(model, batch)


class LeavesEvalMode(Honest):
    def gather(self, model, batch):
        model.eval()
        return super().gather(model, batch)


class ReplacesParameters(Honest):
    def step(self, model, batch, optimizer):
        result = super().step(model, batch, optimizer)
        model.fc.weight = nn.Parameter(model.fc.weight.detach())
        return result


class LeavesHooksWhenItBreaks(Honest):
    def gather(self, model, batch):
        handle = model.fc.register_forward_hook(lambda *_: None)
        seen = super().gather(model, batch)
        handle.remove()
        return seen


class OwnsAndUpdatesTwice(Honest):
    def owns(self, model):
        return {"fc.bias": model.fc.bias}

    def step(self, model, batch, optimizer):
        result = super().step(model, batch, optimizer)
        model.fc.bias.data.add_(0.1)
        return result


class OwnsAndForgets(Honest):
    def owns(self, model):
        return {"fc.bias": model.fc.bias}


class ReachesFrozen(Honest):
    def gather(self, model, batch):
        seen = super().gather(model, batch)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        return seen


class CountsEveryPass(Honest):
    def gather(self, model, batch):
        self.forward(model, *batch)
        return super().gather(model, batch)


class StepsAnyway(Honest):
    """Puts a gradient that is not finite to zero, and steps: momentum and decay move the weights."""

    def update(self, model, optimizer):
        broken = self.bound(optimizer)
        optimizer.step()
        return broken


class AddsAPass(Honest):
    def gather(self, model, batch):
        self.forward_backward(model, *batch)
        return super().gather(model, batch)


class TakesWhatIsEmpty(Honest):
    def step(self, model, batch, optimizer):
        optimizer.zero_grad()
        return self.gather(model, batch)


class DrawsFromTorch(Honest):
    def gather(self, model, batch):
        seen = super().gather(model, batch)
        for parameter in model.parameters():
            parameter.grad.add_(torch.rand_like(parameter))
        return seen


class DrawsFromPython(Honest):
    def gather(self, model, batch):
        seen = super().gather(model, batch)
        model.fc.weight.grad.mul_(random.random())
        return seen


class Momentum(Honest):
    """Adds up its gradients from step to step."""

    state = "The sum."

    def __init__(self, settings, task):
        super().__init__(settings, task)
        self.sums: dict[str, torch.Tensor] = {}

    def gather(self, model, batch):
        seen = super().gather(model, batch)
        for name, parameter in model.named_parameters():
            held = self.sums.setdefault(name, torch.zeros_like(parameter))
            parameter.grad.add_(held.add_(parameter.grad))
        return seen

    def state_dict(self) -> dict[str, Any]:
        return {name: held.clone() for name, held in self.sums.items()}

    def load_state_dict(self, state):
        self.sums = {name: held.clone() for name, held in state.items()}


class ForgetsItsState(Momentum):
    def state_dict(self):
        return {}


class KeepsStateInSecret(Momentum):
    state = ""


class LendsItsState(Momentum):
    def state_dict(self):
        return self.sums


class TransposesGradients(Honest):
    def gather(self, model, batch):
        seen = super().gather(model, batch)
        model.fc.weight.grad = model.fc.weight.grad.t().contiguous().t()
        return seen


class KeepsOldGradients(Honest):
    def step(self, model, batch, optimizer):
        return StepResult(
            *self.forward_backward(model, *batch), {"skipped_updates": self.update(model, optimizer)}
        )


class UpdatesUnchecked(Honest):
    def step(self, model, batch, optimizer):
        optimizer.zero_grad()
        seen = self.gather(model, batch)
        optimizer.step()
        return StepResult(seen.loss, seen.outputs, {"skipped_updates": torch.ones(())})


class DividesByZero(Honest):
    def gather(self, model, batch):
        seen = super().gather(model, batch)
        for parameter in model.parameters():
            parameter.grad.div_(parameter.grad.norm())
        return seen


class IgnoresTheTask(Honest):
    def gather(self, model, batch):
        inputs, labels = batch
        outputs = model(inputs)
        loss = self.task.loss(outputs, labels)
        loss.backward()
        return StepResult(loss.detach(), outputs.detach())


class KeepsTheGraph(Honest):
    def gather(self, model, batch):
        loss, outputs = self.forward(model, *batch)
        loss.backward()
        return StepResult(loss, outputs)


class ReturnsTheLastPass(Honest):
    def gather(self, model, batch):
        self.forward_backward(model, *batch)
        inputs, labels = batch
        return StepResult(*self.forward_backward(model, inputs + 0.1, labels))


@dataclass(frozen=True, kw_only=True)
class TwiceSettings(SizedSettings):
    @property
    def passes(self):
        return 2


class DifferentiatesInSecret(Honest):
    settings_type = TwiceSettings

    def gather(self, model, batch):
        loss, outputs = self.forward(model, *batch)
        (gradient,) = torch.autograd.grad(loss, model.fc.weight, create_graph=True)
        (loss + gradient.square().sum()).backward()
        return StepResult(loss.detach(), outputs.detach())


class TwoPassesAsOne(Honest):
    def gather(self, model, batch):
        self.forward_backward(model, *batch)
        return super().gather(model, batch)


class CallsItselfStandard(Honest):
    """Perturbs and restores, and says that it is standard training."""

    @classmethod
    def canonical(cls, settings, words):
        return "standard", dropattack.method_named("standard").settings_type()

    def gather(self, model, batch):
        before = [parameter.detach().clone() for parameter in model.parameters()]
        try:
            return self.perturbed(model, batch)
        finally:
            for parameter, value in zip(model.parameters(), before, strict=True):
                parameter.data.copy_(value)


def made_in_a_function():
    class Local(Honest):
        pass

    return Local


class LogsNumbers(Honest):
    def gather(self, model, batch):
        seen = super().gather(model, batch)
        return StepResult(seen.loss, seen.outputs, {"size": 1.0})


class Hasty(Honest):
    name = "other"


class Silent(Honest):
    summary = "No full stop"


@dataclass(frozen=True, kw_only=True)
class UncheckedSettings(SizedSettings):
    def __post_init__(self):
        pass


class Unchecked(Honest):
    settings_type = UncheckedSettings
