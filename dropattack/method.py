"""What every training method is: an object whose one verb is `step`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack.errors import UsageError, unknown
from dropattack.settings import Settings

Inputs = Tensor | tuple[Tensor, ...]
Batch = tuple[Inputs, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Task:
    """What a method trains on, besides the model: the loss, the names of targets, the random numbers.

    Attributes:
        loss: ``loss(outputs, labels)`` with a scalar result, averaged over the batch.
        names: Readable target name to parameter name, such as ``{"conv1.w": "conv1.weight"}``. A target
            that is not listed is taken as the parameter's own name. ``input`` is the batch itself unless
            it is listed here (the embedding matrix of a text model).
        generator: Source of all masks and noise, on the model's device; ``None`` takes torch's default.
        autocast: Type for mixed precision forward passes, such as ``torch.bfloat16``; ``None`` for none.
        clip_norm: Largest L2 norm of the whole gradient before the optimizer's update; ``None`` for any.
    """

    loss: Loss = F.cross_entropy
    names: Mapping[str, str] = field(default_factory=dict)
    generator: torch.Generator | None = None
    autocast: torch.dtype | None = None
    clip_norm: float | None = None


@dataclass(frozen=True)
class StepResult:
    """What one step saw. All tensors stay on the device, so that reading them is the caller's choice.

    Attributes:
        loss: Clean loss before the update, 0-dimensional.
        outputs: Clean outputs before the update, ``[batch, …]``, detached.
        log: Further 0-dimensional tensors by name, such as ``skipped`` (perturbations left out because
            their gradient was zero or not finite).
    """

    loss: Tensor
    outputs: Tensor
    log: Mapping[str, Tensor] = field(default_factory=dict)


class Method(ABC, Generic[S]):
    """A training rule. Subclasses declare `name`, `summary`, `settings_type` and `step`.

    A method changes a model's parameters only through the optimizer's update: whatever it perturbs on
    the way, it restores bit for bit before that.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    settings_type: ClassVar[type[Settings]] = Settings

    def __init__(self, settings: S, task: Task) -> None:
        self.settings = settings
        self.task = task

    @abstractmethod
    def step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """Trains ``model`` on ``batch`` once and applies one optimizer update.

        Args:
            model: Called as ``model(inputs)``, or ``model(*inputs)`` where inputs are a tuple.
            batch: ``(inputs, labels)``.
            optimizer: Holds the model's parameters; its gradients are cleared first.
        """

    def state_dict(self) -> dict[str, Any]:
        """What must outlive a restart beside model, optimizer and generators. Empty for most methods."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        if state:
            raise UsageError(f"method {self.name!r} keeps no state, but the checkpoint has some")

    def forward_backward(
        self, model: nn.Module, inputs: Inputs, labels: Tensor, weight: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Runs one pass: ``weight`` times the loss's gradient is added to every ``.grad``.

        Returns:
            The unweighted loss and the outputs, both detached.

        Raises:
            UsageError: The loss is not a scalar.
        """
        with torch.autocast(labels.device.type, self.task.autocast, enabled=self.task.autocast is not None):
            outputs = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
            loss = self.task.loss(outputs, labels)
        if loss.dim() != 0:
            raise UsageError(f"the loss must be a scalar, but has shape {list(loss.shape)}; average it")
        (loss if weight == 1.0 else loss * weight).backward()
        return loss.detach(), outputs.detach()

    def update(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Clips the gradient, where asked for, and lets the optimizer take its step."""
        if self.task.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), self.task.clip_norm)
        optimizer.step()


_METHODS: dict[str, type[Method[Any]]] = {}


def register(method: type[Method[Any]]) -> type[Method[Any]]:
    """Makes a method known by its name; a class decorator."""
    _METHODS[method.name] = method
    return method


def methods() -> Mapping[str, type[Method[Any]]]:
    """Every registered method by name."""
    return _METHODS


def method_named(name: str) -> type[Method[Any]]:
    """The method of that name.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in _METHODS:
        raise unknown("method", name, _METHODS)
    return _METHODS[name]


def create(name: str, *, task: Task | None = None, **hyperparameters: Any) -> Method[Any]:
    """Builds a method by name.

    Args:
        name: A registered name, such as ``"dropattack"``.
        task: Loss, target names and generator; the default is cross entropy and parameters' own names.
        **hyperparameters: As the method's `settings_type` declares them.

    Raises:
        UsageError: The method or a hyperparameter is unknown, or a value is out of range.

    Example:
        >>> from torch import nn, optim, randn, tensor
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
        >>> method = create("dropattack", targets="input+0.weight", epsilon=1.0, p=0.5)
        >>> result = method.step(model, (randn(3, 4), tensor([0, 1, 0])), optimizer)
        >>> result.outputs.shape
        torch.Size([3, 2])
    """
    method = method_named(name)
    return method(method.settings_type.from_dict(hyperparameters), task or Task())
