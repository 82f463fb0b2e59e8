"""The gradient that a method gathers from one batch, for its own update or for another loop's."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from dropattack.batches import arranged, size_of
from dropattack.errors import UsageError
from dropattack.gradients import GradientsBefore, in_loss
from dropattack.passes import Passes
from dropattack.scaling import LossScale
from dropattack.settings import Settings
from dropattack.step_result import StepResult
from dropattack.task import Batch, Task
from dropattack.wrappers import average_gradients, averaged, device_of, in_one_process, shares_gradients

S = TypeVar("S", bound=Settings)


class Gathering(Passes[S]):
    """Gathers the gradient of a method's step, and hands it over: into every ``.grad``, or inside of a loss.

    Attributes:
        name: See `Method`.
    """

    name: ClassVar[str]

    def __init__(self, settings: S, task: Task) -> None:
        super().__init__(settings, task)
        self._until: float | None = None

    @property
    def until(self) -> float:
        """Share of the training that is done at the end of the epoch, in (0, 1].

        It decides which steps ``start`` leaves plain. The training loop sets it before every epoch. Where it
        decides nothing, it is 1 unless set.

        Raises:
            UsageError: The settings have a start, and the loop did not set it.
        """
        if self._until is None and self._at(sys.float_info.min) != self._at(1):
            raise UsageError("start counts epochs: set method.until = (epoch + 1) / epochs before each epoch")
        return 1.0 if self._until is None else self._until

    @until.setter
    def until(self, share: float) -> None:
        self._until = share

    def _at(self, until: float) -> tuple[bool, float]:
        return self.settings.attacks_at(until, 0), self.settings.rounds_at(until)

    def accumulate(self, model: nn.Module, batch: Any, scale: float | Tensor = 1.0) -> StepResult:
        """Adds the method's gradient of ``batch``, times ``scale``, to every ``.grad``, and does no more.

        The caller clears, clips and updates. Each call counts as a step, in `steps` and for ``interval``.
        Each batch of an update is attacked alone: a method's directions and norms over a whole batch are
        those over the micro-batch.

        Under `DistributedDataParallel` each process attacks with its own batch alone. The processes then
        average their gradients, those from before the call included, except inside of ``no_sync``.

        Args:
            model: See `Method.step`.
            batch: See `Method.step`.
            scale: A number, such as 1/n for the mean of n batches. Or ``scaler.scale(torch.ones(()))`` of a
                `torch.amp.GradScaler`: every pass then multiplies its loss by it, so that small gradients
                survive float16. Attacks do not see the factor. Where a pass overflows, the gradients are not
                finite, and the GradScaler skips the update.

        Returns:
            Loss and outputs of the first pass, whatever the scale.

        Raises:
            UsageError: The method makes updates of its own, the batch is empty, the task clips or scales, or
                the scale is no number.

        Examples:
            >>> from dropattack import create
            >>> model, method = torch.nn.Linear(4, 2), create("fgm", epsilon=0.5)
            >>> batches = [(torch.randn(3, 4), torch.tensor([0, 1, 0])) for _ in range(2)]
            >>> for batch in batches:
            ...     result = method.accumulate(model, batch, scale=1 / len(batches))
            >>> model.weight.grad.shape
            torch.Size([2, 4])
        """
        shares = shares_gradients(model)
        seen, before, gradients, factor = self._gathered(model, batch, scale)
        before.add(gradients, factor)
        if shares:
            average_gradients(model)
        return seen

    def deferred(self, model: nn.Module, batch: Any, scale: Tensor | None = None) -> StepResult:
        """As `accumulate`, but ``backward`` of the returned loss adds the gradient to every ``.grad``.

        A loop treats it as an ordinary loss: divides it by the number of batches, scales it for float16, or
        returns it to a trainer. Under `DistributedDataParallel` every such ``backward`` averages its gradient
        over processes.

        Args:
            model: See `Method.step`.
            batch: See `Method.step`.
            scale: See `accumulate`; the gradient does not contain it, as the GradScaler scales the loss.

        Returns:
            Loss, with a graph that holds the gradient, and outputs of the first pass.

        Raises:
            UsageError: See `accumulate`.
        """
        seen, before, gradients, factor = self._gathered(model, batch, 1.0 if scale is None else scale)
        if scale is not None and not (isinstance(factor, float) and factor == 1):
            factor = factor / scale  # 1, or not finite after an overflow
            gradients = [None if g is None else g * factor for g in gradients]
        before.put_back()
        return replace(seen, loss=in_loss(seen.loss, before.parameters, gradients, partial(averaged, model)))

    def _gathered(
        self, model: nn.Module, batch: Any, scale: float | Tensor
    ) -> tuple[StepResult, GradientsBefore, list[Tensor | None], float | Tensor]:
        """A step's result, the gradients from before it, its own gradients, and the factor for these."""
        self.check_handing_over()
        if scale.numel() != 1 if isinstance(scale, Tensor) else not isinstance(scale, Real):
            given = f"a tensor of shape {[*scale.shape]}" if isinstance(scale, Tensor) else repr(scale)
            raise UsageError(f"scale must be one number, or a tensor that holds one, not {given}")
        ready = self.ready(model, batch)
        lent = LossScale(scale) if isinstance(scale, Tensor) else None
        before = GradientsBefore(model)
        try:
            self._lent = lent
            with self.stepping(model) as attacks:
                seen = (self.gather if attacks else self.plain)(model, ready)
            gradients = before.taken()
        except BaseException:
            before.put_back()
            raise
        finally:
            self._lent = None
        if lent is None:
            return seen, before, gradients, scale
        return seen, before, gradients, scale * torch.where(lent.overflow > 0, torch.inf, 1.0)

    def check_handing_over(self) -> None:
        """Checks that this method and its task allow `accumulate` and `deferred`.

        Raises:
            UsageError: See `accumulate`.
        """
        if not self.hands_over(self.settings):
            raise UsageError(
                f"{self.name} makes its own updates and cannot leave them to another loop; use its `step`"
            )
        if self.task.clip_norm is not None:
            raise UsageError("the loop that updates also clips the gradient; leave clip_norm out of the Task")
        if self.task.scaling is not None:
            raise UsageError(
                "the loop that updates also scales the loss; leave scaling out of the Task, and pass "
                "`accumulate` the scale of a GradScaler"
            )

    @classmethod
    def hands_over(cls, settings: S) -> bool:
        """Whether `accumulate` works: a step must be one update by the optimizer of what `gather` gathers."""
        return True

    def ready(self, model: nn.Module, batch: Any) -> Batch:
        """A loader's batch as inputs and labels; see `arranged`.

        Raises:
            UsageError: The batch is empty, or has an unknown form.
        """
        found = arranged(batch, self.task, model)
        if not size_of(found):
            raise UsageError("the batch is empty, and an empty batch has no loss; leave it out")
        return found

    @contextmanager
    def stepping(self, model: nn.Module) -> Iterator[bool]:
        """Wraps one step; yields whether it attacks."""
        attacks = self.settings.attacks_at(self.until, self.steps)
        self.begin_step()
        with self.own_autocast(device_of(model).type), in_one_process(model):
            yield attacks
        self.steps += 1

    def plain(self, model: nn.Module, batch: Batch) -> StepResult:
        """Gathers as standard training does: one pass on the batch as it is; see `gather`."""
        return StepResult(*self.forward_backward(model, *batch))

    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        """Fills every ``.grad``, which `step` has cleared, with the method's gradient; keeps the parameters.

        Args:
            model: See `step`.
            batch: See `step`.

        Returns:
            Loss and outputs of the first pass, and the method's own log.

        Raises:
            UsageError: The method defines neither this nor an `own_step`.
        """
        raise UsageError(f"method {self.name!r} defines neither `gather` nor `own_step`")
