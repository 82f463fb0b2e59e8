"""What every training method is: an object whose one verb is `step`, most of them by one hook, `gather`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.batches import size_of
from dropattack.errors import UsageError
from dropattack.gathering import Gathering
from dropattack.gradients import GatheredGradients
from dropattack.modes import KeptStatistics
from dropattack.perturbation import joint_norm
from dropattack.settings import Settings
from dropattack.step_result import StepResult, joined
from dropattack.targets.names import words_are_input
from dropattack.task import Batch, Task
from dropattack.wrappers import average_gradients

S = TypeVar("S", bound=Settings)


class Method(Gathering[S]):
    """A training rule. Subclasses declare the class attributes and `gather`.

    A method changes a model's parameters only through the optimizer's update, but for those that it says it
    `owns`: whatever it perturbs on the way, it restores bit for bit before that.

    Attributes:
        name: Name in sweeps.
        summary: One line for people.
        source: Where the rule comes from.
        cost: Forward-backward passes per step in the letters of the settings; see `Settings.passes`.
        steps: Number of steps taken in the whole training, which decides what ``interval`` leaves out and
            what the model's dropout draws. Who resumes a training sets it.
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
        if settings.needs_pixels and words_are_input(task):
            raise UsageError("clamp is for images: an embedding has no range to keep; leave it out")
        settings.check_pixels()
        super().__init__(settings, task)

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

    def step(self, model: nn.Module, batch: Any, optimizer: torch.optim.Optimizer) -> StepResult:
        """Trains ``model`` on ``batch`` once, attacked or, where the settings leave this step out, plainly.

        An autocast context around it counts for the passes, as `Task.autocast` does, and for nothing else.
        Under `DistributedDataParallel` each process attacks with its own batch alone, and the gradients of
        the update are averaged.

        Args:
            model: Called with the batch's inputs: ``model(inputs)``, ``model(*inputs)`` where they are a
                tuple or a list, ``model(**inputs)`` where they are a mapping. `torch.compile`,
                `nn.DataParallel` and `DistributedDataParallel` may be around it; targets keep their names.
            batch: ``(inputs, labels)``; ``(inputs, labels, …)`` with more that the loss takes; or a mapping,
                such as Hugging Face's, with which the model computes its loss. See `batches.arranged`.
            optimizer: Holds the model's parameters; its gradients are cleared first.

        Raises:
            UsageError: The batch is empty or no batch, float16 has no `Task.scaling`, `until` is not set, or
                the optimizer is LBFGS or none.
        """
        ready = self.ready(model, batch)
        _check_optimizer(optimizer)
        with self.stepping(model) as attacks:
            return (self.own_step if attacks else self._plain_step)(model, ready, optimizer)

    def step_on(
        self, model: nn.Module, batches: Sequence[Any], optimizer: torch.optim.Optimizer
    ) -> StepResult:
        """Trains ``model`` once on several batches: one update of the mean of their gradients.

        Each batch is attacked by itself, and counts by its number of examples. For a single one this is
        `step`.

        Args:
            model: See `step`.
            batches: See `step`.
            optimizer: See `step`.

        Returns:
            Loss and log are means over the batches, outputs those of all batches one after the other.

        Raises:
            UsageError: As `step` does; or the method updates several times in a step.
        """
        if len(batches) == 1:
            return self.step(model, batches[0], optimizer)
        if not self.accumulates(self.settings):
            raise UsageError(f"{self.name} makes its own updates from batch to batch; set accumulate to 1")
        ready = [self.ready(model, batch) for batch in batches]
        _check_optimizer(optimizer)
        sizes = [size_of(batch) for batch in ready]
        with self.stepping(model) as attacks:
            statistics = KeptStatistics(model)
            gathered = GatheredGradients(optimizer)
            results = []
            for batch, size in zip(ready, sizes, strict=True):
                self.begin_batch()
                optimizer.zero_grad(set_to_none=True)
                results.append((self.gather if attacks else self.plain)(model, batch))
                gathered.add(size / sum(sizes))
            gathered.put_back()
            return self.concluded(joined(results, sizes), model, optimizer, statistics)

    @classmethod
    def accumulates(cls, settings: S) -> bool:
        """Whether a step may have several batches: whether it makes one update of what `gather` gives."""
        return cls.own_step is Method.own_step and cls.step is Method.step

    @classmethod
    def may_be_left(cls, settings: S) -> bool:
        """Whether a training can be saved between any two steps of an epoch, and not at its end alone.

        It can where `state_dict` holds all that the next step depends on beside model, optimizer and
        generators, once `begin_epoch` has been called.
        """
        return True

    @classmethod
    @override
    def hands_over(cls, settings: S) -> bool:
        return cls.accumulates(settings) and cls.update is Method.update

    def own_step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `step`: with what `gather` gives; a method that updates several times does so here."""
        return self._updated(self.gather, model, batch, optimizer)

    def _plain_step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        return self._updated(self.plain, model, batch, optimizer)

    def _updated(
        self,
        gather: Callable[[nn.Module, Batch], StepResult],
        model: nn.Module,
        batch: Batch,
        optimizer: torch.optim.Optimizer,
    ) -> StepResult:
        """Clears the gradients, gathers, and updates."""
        optimizer.zero_grad(set_to_none=True)
        statistics = KeptStatistics(model)
        return self.concluded(gather(model, batch), model, optimizer, statistics)

    def concluded(
        self,
        seen: StepResult,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        statistics: KeptStatistics,
    ) -> StepResult:
        """Updates with what is gathered; puts statistics back where the update is left out."""
        average_gradients(model, None if self.task.scaling is None else self.task.scaling.overflow)
        skipped = self.update(model, optimizer)
        statistics.restore(skipped > 0)
        return replace(seen, log={**seen.log, "skipped_updates": skipped})

    def update(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor:
        """Bounds the gathered gradient and lets the optimizer take its step, unless it is not finite.

        An update that is left out leaves parameters, the optimizer's state and the running statistics of
        normalisation layers as they were before the step.

        Returns:
            See `bound`.
        """
        broken = self.bound(optimizer)
        self.advance(optimizer, broken)
        return broken

    @staticmethod
    def advance(optimizer: torch.optim.Optimizer, broken: Tensor) -> None:
        """Lets the optimizer take its step unless the 0-dimensional ``broken`` is positive.

        On a GPU a fused optimizer looks by itself, as it does for `torch.amp.GradScaler`; for any other one
        the host waits, as GradScaler makes it wait.
        """
        if broken.is_cpu or not getattr(optimizer, "_step_supports_amp_scaling", False):
            if not broken:
                optimizer.step()
            return
        own: Any = _own(optimizer)
        own.found_inf = broken.float()  # where fused optimizers look
        try:
            optimizer.step()
        finally:
            del own.found_inf

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

    def bound(self, optimizer: torch.optim.Optimizer) -> Tensor:
        """Clips the gradient, where asked for, in place.

        A gradient that is not finite is replaced by zeros, so that it never reaches the parameters, and so is
        one of passes whose gradients were not all finite, where losses are scaled; see `LossScale`. The host
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
        if (scaling := self.task.scaling) is not None:
            broken = broken | (scaling.overflow > 0)
            scaling.update(broken)
        if self.task.clip_norm is not None:
            torch._foreach_mul_(grads, (self.task.clip_norm / (norm + 1e-6)).clamp(max=1))
        if not broken.is_cpu or broken:
            for grad in grads:
                grad.masked_fill_(broken, 0)
        return broken.to(norm.dtype)


def _own(optimizer: torch.optim.Optimizer) -> Any:
    """The optimizer itself, without what Lightning and Accelerate wrap around it."""
    inner = getattr(optimizer, "optimizer", None)
    return inner if isinstance(inner, torch.optim.Optimizer) else optimizer


def _check_optimizer(optimizer: torch.optim.Optimizer) -> None:
    if not hasattr(optimizer, "param_groups") or not hasattr(optimizer, "zero_grad"):
        raise UsageError(f"a step needs an optimizer of torch, not {type(optimizer).__name__}")
    if isinstance(_own(optimizer), torch.optim.LBFGS):
        raise UsageError(
            "LBFGS computes its own gradients, several in a step; use another optimizer, such as SGD"
        )
