"""Workloads whose models each break the contract in their own way."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from tests.dropattack.testing.faulty_data import Linear, workload
from trainables.architecture import named
from trainables.data.dataset import Data
from trainables.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Misnamed(Linear):
    @property
    @override
    def targets(self) -> dict[str, str]:
        return named({"fc": "1"})


def misnamed() -> Workload:
    return workload(architecture=Misnamed())


@dataclass(frozen=True, kw_only=True)
class Narrow(Linear):
    @override
    def build(self, data: Data) -> nn.Module:
        width = data.classes - (self.kind == "narrow")
        return nn.Sequential(nn.Flatten(), nn.Linear(16, width, bias=self.bias))


def narrow() -> Workload:
    return workload(architecture=Narrow())


@dataclass(frozen=True, kw_only=True)
class Joined(Linear):
    @property
    @override
    def targets(self) -> dict[str, str]:
        return {"fc+w": "1.weight"}


def joined() -> Workload:
    return workload(architecture=Joined())


@dataclass(frozen=True, kw_only=True)
class Idle(Linear):
    """One of its targets takes no part."""

    @override
    def build(self, data: Data) -> nn.Module:
        model = super().build(data)
        model.register_parameter("idle", nn.Parameter(torch.ones(3)))
        return model

    @property
    @override
    def targets(self) -> dict[str, str]:
        return {**super().targets, "idle": "idle"}


def idle() -> Workload:
    return workload(architecture=Idle())


class Centred(nn.Module):
    """Subtracts the mean of the batch, in eval mode too."""

    @override
    def forward(self, logits: Tensor) -> Tensor:
        return logits - logits.mean(0)


@dataclass(frozen=True, kw_only=True)
class Together(Linear):
    @override
    def build(self, data: Data) -> nn.Module:
        return nn.Sequential(*super().build(data).children(), Centred())


def together() -> Workload:
    return workload(architecture=Together())


@dataclass(frozen=True, kw_only=True)
class Drawn(Linear):
    """Draws its weights from Python's generator."""

    @override
    def build(self, data: Data) -> nn.Module:
        model = super().build(data)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(random.random())
        return model


def drawn() -> Workload:
    return workload(architecture=Drawn())


class Tiring(nn.Sequential):
    """Counts its steps in an attribute that no checkpoint holds."""

    steps = 0

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.steps += self.training
        logits: Tensor = super().forward(images) / (1 + 0.1 * self.steps)
        return logits


@dataclass(frozen=True, kw_only=True)
class Forgetful(Linear):
    @override
    def build(self, data: Data) -> nn.Module:
        return Tiring(*super().build(data).children())


def forgetful() -> Workload:
    return workload(architecture=Forgetful())


@dataclass(frozen=True, kw_only=True)
class Looking(Linear):
    """Starts from the mean of the training labels, which a saved model no longer has."""

    @override
    def build(self, data: Data) -> nn.Module:
        model = super().build(data)
        scale = float(data.train.labels.double().mean()) if len(data.train) else 1.0
        return nn.Sequential(*model.children(), Scaled(scale))


class Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    @override
    def forward(self, logits: Tensor) -> Tensor:
        return logits * self.scale


def looking() -> Workload:
    return workload(architecture=Looking())
