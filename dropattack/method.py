"""What every training method is: an object whose one verb is `step`, most of them by one hook, `gather`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_map_only

from dropattack.errors import UsageError
from dropattack.perturbation import joint_norm
from dropattack.settings import Settings
from dropattack.targets.spelling import INPUT
from dropattack.targets.target import Target, watched
from dropattack.task import Batch, Inputs, Task

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class StepResult:
    """What one step saw. All tensors stay on the device, so that reading them is the caller's choice.

    Attributes:
        loss: Loss of the first pass, before the update, 0-dimensional. It is the clean loss, but for the
            methods that have no clean pass: dropout, FreeAT, FreeLB and RWP.
        outputs: Outputs of the same pass, ``[batch, …]``, detached.
        log: Further 0-dimensional tensors by name, to be averaged over steps: ``skipped``, the share of
            perturbations left out because their gradient was zero or not finite; ``skipped_updates``, 1 where
            the gradient for the optimizer was not finite.
    """

    loss: Tensor
    outputs: Any
    log: Mapping[str, Tensor] = field(default_factory=dict)


class Method(Generic[S]):
    """A training rule. Subclasses declare the class attributes and `gather`.

    A method changes a model's parameters only through the optimizer's update, but for those that it says it
    `owns`: whatever it perturbs on the way, it restores bit for bit before that.

    Attributes:
        name: Name in sweeps.
        summary: One line for people.
        source: Where the rule comes from.
        cost: Forward-backward passes per step in the letters of the settings; see `Settings.passes`.
        state: What the method keeps from step to step beside model and optimizer; empty for most.
        second_order: Whether a step differentiates a gradient.

    Raises:
        UsageError: The settings keep pixels in their range, and the task has words.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    cost: ClassVar[str] = "1"
    state: ClassVar[str] = ""
    second_order: ClassVar[bool] = False
    settings_type: ClassVar[type[Settings]] = Settings

    def __init__(self, settings: S, task: Task) -> None:
        if settings.needs_pixels and INPUT in task.names:
            raise UsageError("clamp is for images: an embedding has no range to keep; leave it out")
        self.settings = settings
        self.task = task

    @classmethod
    def canonical(cls, settings: S, words: bool) -> tuple[str, Settings]:
        """The one spelling of all settings, of this method and others, that compute the same steps.

        Settings are the same only where they are so for every model; what one model happens not to
        distinguish stays apart.

        Args:
            settings: This method's.
            words: Whether ``input`` stands for an embedding matrix.

        Returns:
            A method's name, and settings of that method.
        """
        return cls.name, settings

    def step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """Trains ``model`` on ``batch`` once: clears the gradients, gathers, updates.

        Args:
            model: Called as ``model(inputs)``, or ``model(*inputs)`` where inputs are a tuple.
            batch: ``(inputs, labels)``.
            optimizer: Holds the model's parameters; its gradients are cleared first.
        """
        optimizer.zero_grad(set_to_none=True)
        seen = self.gather(model, batch)
        skipped = self.update(model, optimizer)
        return replace(seen, log={**seen.log, "skipped_updates": skipped})

    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        """Fills every ``.grad``, which `step` has cleared, with the method's gradient; keeps the parameters.

        Args:
            model: See `step`.
            batch: See `step`.

        Returns:
            What the first pass saw, and the method's own log.

        Raises:
            UsageError: The method defines neither this nor a `step` of its own.
        """
        raise UsageError(f"method {self.name!r} defines neither `gather` nor a `step` of its own")

    def update(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor:
        """Bounds the gathered gradient and lets the optimizer take its step.

        Returns:
            See `bound`.
        """
        broken = self.bound(optimizer)
        optimizer.step()
        return broken

    def owns(self, model: nn.Module) -> Mapping[str, nn.Parameter]:
        """Parameters, by name, that the method updates itself and keeps from the optimizer; none for most."""
        return {}

    def begin_epoch(self, progress: float) -> None:
        """Told before each epoch which share of the training is done, in [0, 1)."""

    def state_dict(self) -> dict[str, Any]:
        """What must outlive a restart beside model, optimizer and generators. Empty for most methods."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        if state:
            raise UsageError(f"method {self.name!r} keeps no state, but the checkpoint has some")

    def forward(self, model: nn.Module, inputs: Inputs, labels: Tensor) -> tuple[Tensor, Any]:
        """The loss, with its graph, and the outputs.

        Raises:
            UsageError: The loss is not a scalar.
        """
        dtype, device = self.task.autocast, labels.device.type
        mixed: AbstractContextManager[object] = nullcontext()
        if dtype is not None or torch.is_autocast_enabled(device):
            mixed = torch.autocast(device, dtype, enabled=dtype is not None, cache_enabled=False)
        with mixed:
            several = isinstance(inputs, tuple) and not isinstance(inputs, PackedSequence)
            outputs = model(*inputs) if several else model(inputs)
            loss = self.task.loss(outputs, labels)
        if not isinstance(loss, Tensor) or loss.dim() != 0:
            shape = f"has shape {list(loss.shape)}" if isinstance(loss, Tensor) else f"is {loss!r}"
            raise UsageError(f"the loss must be a scalar tensor, but {shape}; average it over the batch")
        return loss, outputs

    def forward_backward(
        self, model: nn.Module, inputs: Inputs, labels: Tensor, weight: float = 1.0
    ) -> tuple[Tensor, Any]:
        """Runs one pass: ``weight`` times the loss's gradient is added to every ``.grad``.

        Returns:
            The unweighted loss and the outputs, both detached.
        """
        loss, outputs = self.forward(model, inputs, labels)
        (loss if weight == 1.0 else loss * weight).backward()
        return loss.detach(), _detached(outputs)

    def gradients(
        self,
        model: nn.Module,
        inputs: Inputs,
        labels: Tensor,
        targets: Sequence[Target],
        weight: float = 0.0,
    ) -> tuple[Tensor, Any, list[Tensor | None]]:
        """Runs one pass for the sake of the targets' own gradients, of the unweighted loss.

        Args:
            model: See `step`.
            inputs: See `step`.
            labels: See `step`.
            targets: Attached targets.
            weight: Adds so many times the loss's gradient to every ``.grad`` too; with 0 only the gradients
                of the targets are computed, and no ``.grad`` changes.

        Returns:
            Loss and outputs, detached, and one gradient for each target, ``None`` where the model did not use
            it. With a weight of 1, they may share memory with ``.grad``, which the next pass changes.
        """
        with watched(targets):
            if weight == 0:
                loss, outputs = self.forward(model, inputs, labels)
                known = [target.variable for target in targets]
                used = [variable for variable in known if variable is not None]
                found = iter(torch.autograd.grad(loss, used, allow_unused=True) if used else ())
                raw = [None if variable is None else next(found) for variable in known]
                own = [None if g is None else t.select(g) for t, g in zip(targets, raw, strict=True)]
            else:
                loss, outputs = self.forward_backward(model, inputs, labels, weight)
                own = [target.gradient() for target in targets]
            if weight not in (0, 1):
                own = [None if g is None else g / weight for g in own]
        return loss.detach(), _detached(outputs), own

    def bound(self, optimizer: torch.optim.Optimizer) -> Tensor:
        """Clips the gradient, where asked for, in place.

        A gradient that is not finite is replaced by zeros, so that it never reaches the parameters. The host
        does not wait for the device.

        Returns:
            1 where the gradient was replaced, else 0; 0-dimensional.
        """
        grads = []
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            if parameter.grad is not None:
                if parameter.grad.is_sparse:
                    parameter.grad = parameter.grad.coalesce()
                grads.append(parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
        norm = joint_norm(grads) if grads else torch.zeros(())
        broken = ~torch.isfinite(norm)
        if self.task.clip_norm is not None:
            torch._foreach_mul_(grads, (self.task.clip_norm / (norm + 1e-6)).clamp(max=1))
        if not broken.is_cpu or broken:
            for grad in grads:
                grad.masked_fill_(broken, 0)
        return broken.to(norm.dtype)


def _detached(outputs: Any) -> Any:
    return outputs.detach() if isinstance(outputs, Tensor) else tree_map_only(Tensor, Tensor.detach, outputs)
