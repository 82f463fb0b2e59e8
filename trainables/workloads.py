"""Workloads: a dataset, a model, its targets and the papers' training settings under one name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn

from dropattack import INPUT, Settings, UsageError, parse_targets, setting
from dropattack.errors import unknown
from trainables.data import Data, Dataset
from trainables.datasets.digits import Digits
from trainables.datasets.idx import MNIST
from trainables.models.lenet5 import TARGETS as LENET5_TARGETS
from trainables.models.lenet5 import LeNet5


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """How a trial trains, whatever the method; the defaults are the paper's (section 4.2)."""

    epochs: int = setting(10, "Passes over the training split; the budget that ASHA cuts.", low=1)
    batch_size: int = setting(128, "Examples per step.", low=1)
    learning_rate: float = setting(1e-3, "Adam's learning rate.", low=0)
    train_size: int = setting(0, "Training examples, stratified and nested by seed; 0 for all.", low=0)


@dataclass(frozen=True)
class Workload:
    """What a sweep trains.

    Attributes:
        name: Name in sweep files.
        summary: One line for people.
        dataset: Where the data come from.
        model: Builds an untrained model for the data; draws from torch's default generator.
        targets: Target names, the papers' own, to parameter names; ``input`` stands for the pixels unless
            it is mapped to a parameter (the embedding matrix of a text model).
        training: Default training settings.
        metric: What validation maximises.
    """

    name: str
    summary: str
    dataset: Dataset
    model: Callable[[Data], nn.Module]
    targets: Mapping[str, str]
    training: TrainingSettings = field(default_factory=TrainingSettings)
    metric: str = "accuracy"

    def target_names(self) -> list[str]:
        """Every name that may stand in a set of targets."""
        return list(dict.fromkeys([INPUT, *self.targets]))

    def check_targets(self, text: str) -> None:
        """Raises a `UsageError` where a set of targets names one that this model does not have."""
        for name in parse_targets(text):
            if name not in self.target_names():
                raise unknown(f"target of {self.name}", name, self.target_names())


_WORKLOADS: dict[str, Workload] = {}


def register_workload(workload: Workload) -> Workload:
    """Makes a workload known by its name."""
    if workload.name in _WORKLOADS:
        raise UsageError(f"workload {workload.name!r} is registered twice")
    _WORKLOADS[workload.name] = workload
    return workload


def workloads() -> Mapping[str, Workload]:
    """Every registered workload by name."""
    return _WORKLOADS


def workload_named(name: str) -> Workload:
    """The workload of that name.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in _WORKLOADS:
        raise unknown("workload", name, _WORKLOADS)
    return _WORKLOADS[name]


register_workload(
    Workload(
        name="digits-lenet5",
        summary="LeNet-5 on scikit-learn's 1,797 digits; bundled, for first steps and tests.",
        dataset=Digits(),
        model=lambda data: LeNet5(data.classes),
        targets=LENET5_TARGETS,
    )
)
register_workload(
    Workload(
        name="mnist-lenet5",
        summary="LeNet-5 on MNIST, 50k/10k/10k (Tables 2, 4 and 8).",
        dataset=MNIST,
        model=lambda data: LeNet5(data.classes),
        targets=LENET5_TARGETS,
    )
)
