"""Dropout as a method: applied to a model that has none of its own, and to training alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from typing_extensions import override

from dropattack.errors import UsageError
from dropattack.method import Method
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.perturbation import draw_mask
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.task import Batch
from dropattack.wrappers import eagerly

_PLACES = (nn.Linear, nn.RNNBase)


@dataclass(frozen=True, kw_only=True)
class DropoutSettings(Settings):
    """Hyperparameters of dropout."""

    rate: float = setting(
        0.5, "Probability of an element being dropped; try .2, .3 and .5.", low=0, high=0.99
    )


@register
class Dropout(Method[DropoutSettings]):
    """Drops elements of the input of every fully connected and every recurrent layer, and scales up the rest.

    The model needs no dropout layers: hooks drop during the step alone, so evaluation is without dropout
    whatever mode the model is in. Masks come from the trial's generator. Packed sequences are dropped as they
    are.
    """

    name = "dropout"
    summary = "Dropout before fully connected and recurrent layers."
    equation = "∇L with M ∘ h/(1 − rate) for the input h of each layer, M ~ Bernoulli(1 − rate)"
    source = "Srivastava et al. 2014; a row of DropAttack's Table 2."
    settings_type = DropoutSettings

    @classmethod
    @override
    def canonical(cls, settings: DropoutSettings, words: bool) -> tuple[str, Settings]:
        """A rate of 0 drops nothing."""
        if settings.rate == 0:
            return Standard.canonical(StandardSettings(), words)
        return cls.name, settings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        """See `Method.gather`.

        Raises:
            UsageError: The model has no fully connected or recurrent layer.
        """
        with self._dropping(model), eagerly(model):
            return StepResult(*self.forward_backward(model, *batch))

    @contextmanager
    def _dropping(self, model: nn.Module) -> Iterator[None]:
        places = [module for module in model.modules() if isinstance(module, _PLACES)]
        if not places:
            raise UsageError("dropout needs a model with nn.Linear, nn.RNN, nn.LSTM or nn.GRU layers")
        handles = [place.register_forward_pre_hook(self._drop_first) for place in places]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _drop_first(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        first = args[0]
        if isinstance(first, PackedSequence):
            return (first._replace(data=self._drop(first.data)), *args[1:])
        return (self._drop(first), *args[1:])

    def _drop(self, activation: Tensor) -> Tensor:
        keep = 1 - self.settings.rate
        mask = draw_mask(activation.detach(), keep, "element", self.task.generator)
        return activation * mask.div_(keep)
