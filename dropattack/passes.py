"""One pass after the other through a model: in the task's precision, with draws that follow from its seed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from dropattack.batches import called, loss_of
from dropattack.errors import UsageError
from dropattack.modes import derived_seed, mixed_precision, model_draws
from dropattack.scaling import LossScale
from dropattack.settings import Settings
from dropattack.targets.target import Target, watched
from dropattack.task import Arguments, Labels, Task
from dropattack.wrappers import device_of

S = TypeVar("S", bound=Settings)


class Passes(Generic[S]):
    """Runs the passes of a method's steps.

    Args:
        settings: The method's.
        task: See `Task`.

    Attributes:
        steps: Number of steps taken in the whole training, which decides what the model's dropout draws.
    """

    def __init__(self, settings: S, task: Task) -> None:
        self.settings = settings
        self.task = task
        self.steps = 0
        self._autocast = task.autocast
        self._pass = self._first = 0
        self._began: Tensor | None = None
        self._lent: LossScale | None = None

    @property
    def scaling(self) -> LossScale | None:
        """What scales the losses of passes now: what `accumulate` was given, or the task's."""
        return self._lent or self.task.scaling

    def begin_step(self) -> None:
        """The next pass is the first of a step."""
        self._pass = self._first = 0
        self._began = None

    def begin_batch(self) -> None:
        """The next pass is the first of a batch, of which a step may have several."""
        self._first, self._began = self._pass, None

    def forward(self, model: nn.Module, inputs: Arguments, labels: Labels) -> tuple[Tensor, Any]:
        """The loss, with its graph, and the outputs.

        Raises:
            UsageError: The loss is not a scalar, or `Task.compute` gives no pair of loss and outputs.
        """
        with self._passing(model, device_of(model)):
            if self.task.compute is not None:
                loss, outputs = _pair(self.task.compute(model, inputs, labels))
            else:
                outputs = called(model, inputs)
                loss = loss_of(self.task.loss, outputs, labels)
        if isinstance(model, nn.DataParallel) and isinstance(loss, Tensor) and loss.dim() == 1:
            loss = loss.mean()  # it gathers one from each device
        if not isinstance(loss, Tensor) or loss.dim() != 0:
            kind = type(loss).__name__
            shape = f"has shape {list(loss.shape)}" if isinstance(loss, Tensor) else f"is of type {kind}"
            raise UsageError(f"the loss must be a scalar tensor, but {shape}; average it over the batch")
        return loss, outputs

    def forward_backward(
        self, model: nn.Module, inputs: Arguments, labels: Labels, weight: float = 1.0
    ) -> tuple[Tensor, Any]:
        """Runs one pass: ``weight`` times the loss's gradient is added to every ``.grad``.

        Returns:
            The unweighted loss and the outputs, both detached.
        """
        loss, outputs = self.forward(model, inputs, labels)
        self.propagate(loss if weight == 1.0 else loss * weight)
        return loss.detach(), detached(outputs)

    def propagate(self, value: Tensor, inputs: Sequence[Tensor] | None = None) -> None:
        """Adds the gradient of a loss, or of another scalar, to every ``.grad``.

        This and `differentiated` are where a method propagates back: `scaling` is divided out here.

        Args:
            value: 0-dimensional, with its graph.
            inputs: Whose gradients alone to compute; all by default.

        Raises:
            UsageError: Nothing that has a gradient is in it.
        """
        _check_graph(value)
        scaling, only = self.scaling, None if inputs is None else list(inputs)
        if scaling is None:
            value.backward(inputs=only)
            return
        scaled = scaling.scaled(value)
        with scaling.unscaling(scaled):
            scaled.backward(inputs=only)

    def differentiated(
        self, value: Tensor, variables: Sequence[Tensor], create_graph: bool = False
    ) -> list[Tensor | None]:
        """The gradients of a loss, or of another scalar; ``None`` for what it does not depend on.

        Args:
            value: 0-dimensional, with its graph.
            variables: What to differentiate by.
            create_graph: Whether the gradients are to be differentiated again.

        Raises:
            UsageError: Nothing that has a gradient is in it.
        """
        _check_graph(value)
        scaling = self.scaling
        if scaling is not None:
            value = scaling.scaled(value)
        found = torch.autograd.grad(value, list(variables), create_graph=create_graph, allow_unused=True)
        if scaling is None:
            return list(found)
        return [None if gradient is None else scaling.unscaled(gradient) for gradient in found]

    def gradients(
        self,
        model: nn.Module,
        inputs: Arguments,
        labels: Labels,
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
                found = iter(self.differentiated(loss, used) if used else ())
                raw = [None if variable is None else next(found) for variable in known]
                own = [None if g is None else t.select(g) for t, g in zip(targets, raw, strict=True)]
            else:
                loss, outputs = self.forward_backward(model, inputs, labels, weight)
                own = [target.gradient() for target in targets]
            if weight not in (0, 1):
                own = [None if g is None else g / weight for g in own]
        return loss.detach(), detached(outputs), own

    @contextmanager
    def own_autocast(self, device: str) -> Iterator[None]:
        """Takes the type of an autocast context around the step over, and ends the context for the rest.

        Its cache of cast weights would hide attacks on them, and norms are taken in the gradients' own type.
        """
        outer = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        self._autocast = self.task.autocast or outer
        if self._autocast is torch.float16 and self.scaling is None:
            raise UsageError(
                "float16 needs its loss scaled: give the Task scaling=LossScale(), or ask autocast for "
                "torch.bfloat16; `accumulate` takes the scale of a GradScaler"
            )
        with torch.autocast(device, enabled=False) if outer is not None else nullcontext():
            yield

    @contextmanager
    def _passing(self, model: nn.Module, device: torch.device) -> Iterator[None]:
        """What every pass runs in: mixed precision, and draws of the model by seed, step and pass.

        They do not depend on what a method draws for its masks, and not on other draws in the process.
        """
        mixed = mixed_precision(model, device, self._autocast)
        repeats, generator = self.settings.repeats_dropout, self.task.generator
        seed = None
        if generator is not None:
            seed = derived_seed(generator.initial_seed(), self.steps, self._first if repeats else self._pass)
        with mixed, model_draws(device, seed, self._began if repeats else None) as began:
            self._began, self._pass = began, self._pass + 1
            yield


def _pair(computed: Any) -> tuple[Any, Any]:
    if not isinstance(computed, tuple | list) or len(computed) != 2:
        raise UsageError(
            f"Task.compute must give two things, the loss and the outputs, not {type(computed).__name__}"
        )
    return computed[0], computed[1]


def _check_graph(value: Tensor) -> None:
    if value.requires_grad:
        return
    if not torch.is_grad_enabled():
        raise UsageError("training needs gradients: call it outside of torch.no_grad and inference_mode")
    raise UsageError(
        "the loss depends on no parameter that is trained: is it computed from the model's outputs, without "
        "detach, and has any parameter of the model requires_grad?"
    )


def detached(outputs: Any) -> Any:
    """A model's outputs without their graph."""
    return outputs.detach() if isinstance(outputs, Tensor) else tree_map_only(Tensor, Tensor.detach, outputs)
