"""Adversarial perturbation bias: the biases of linear layers follow the sign of their gradient.

A layer's own bias is the perturbation δ. For the multimodal form it always holds the product m·A, so a model
is a plain module at any time, and freezing δ after training, which the paper asks for, leaves nothing to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.errors import UsageError
from dropattack.method import Method
from dropattack.perturbation import noise_like
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.spelling import canonical_targets, parse_targets
from dropattack.task import Batch, Task
from dropattack.wrappers import unwrapped

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class APBSettings(Settings):
    """Hyperparameters of adversarial perturbation bias.

    Attributes:
        biases: Target names of the biases that the method updates; in the paper, of every fully connected
            layer.
        eta: η, the length of a step. The paper states none: no formula contains its budget ε.
        direction: ``descend`` follows equation 2 and Algorithm 2, which minimise over δ as over the weights;
            ``ascend`` follows the prose, which calls δ adversarial.
        h: Bias memories of the multimodal form, δ = m·A; 0 for the naive one (Figure 3b).
    """

    biases: str = setting(ALL, "Biases of linear layers, such as fc1.b+fc3.b; all takes every one.")
    eta: float = setting(1e-3, "Step η of the biases; not stated, try 1e-3 to 1e-1.", low=0)
    direction: str = setting(
        "descend",
        "Down the loss (eq. 2, Algorithm 2) or up (prose).",
        choices=("descend", "ascend"),
    )
    h: int = setting(0, "Bias memories h of the multimodal form; 0 is the naive one (Figure 3b).", low=0)

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "biases", canonical_targets(self.biases))

    @property
    @override
    def target_sets(self) -> dict[str, str]:
        return {} if self.biases == ALL else {"biases": self.biases}

    @property
    def step(self) -> float:
        """η with the sign of the direction."""
        return -self.eta if self.direction == "descend" else self.eta


@register
class APB(Method[APBSettings]):
    """One plain pass; weights follow the optimizer, biases of linear layers the sign of their gradient.

    With g = Σ_b ∂L/∂y_b, the gradient of a layer's bias, and the step ∓η of the direction:

    - naive: δ moves along sign(g);
    - multimodal: m, ``[h]``, moves along sign(A g) and A, ``[h, n]``, along m gᵀ, which is not signed
      (Algorithm 2); both from the values before the step. Then δ = m·A.

    The paper states no initial values; m = 0 would keep A from moving, and A = 0 would keep m. Here training
    starts at the layer's own bias b, bit for bit, as every other method does: m = (1, 0, …) and A = (b, and
    rows of N(0, 1/h)). The first step already moves every memory. The optimizer never sees these biases, so
    neither momentum nor weight decay touches them; gradient clipping measures them with the rest.
    """

    name = "apb"
    summary = "Biases of linear layers follow their gradient's sign."
    equation = (
        "∇L(w) for the weights w; δ ← δ ∓ η sign(g) for each bias δ with gradient g; "
        "with h > 0: δ = mA, m ← m ∓ η sign(Ag), A ← A ∓ η mgᵀ"
    )
    source = "Adversarial perturbation bias, Algorithms 1 and 2."
    cost = "1"
    state = "m and A, where h > 0"
    settings_type = APBSettings

    def __init__(self, settings: APBSettings, task: Task) -> None:
        super().__init__(settings, task)
        self._factors: dict[str, tuple[Tensor, Tensor]] = {}

    @classmethod
    @override
    def canonical(cls, settings: APBSettings, words: bool) -> tuple[str, Settings]:
        """Biases that do not move have neither a direction nor memories."""
        return cls.name, settings.without("direction", "h") if settings.eta == 0 else settings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        return self.plain(model, batch)

    @override
    def update(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor:
        """See `Method.update`; the optimizer does not see the gradients of the biases, which move after it.

        Raises:
            UsageError: The model has no such bias.
        """
        biases = self.owns(model)
        broken = self.bound(optimizer)
        gradients = {name: bias.grad for name, bias in biases.items()}
        for bias in biases.values():
            bias.grad = None
        self.advance(optimizer, broken)
        for name, bias in biases.items():
            bias.grad = gradients[name]
            if bias.grad is not None:
                self._move(name, bias, bias.grad)
        return broken

    @override
    def owns(self, model: nn.Module) -> Mapping[str, nn.Parameter]:
        """See `Method.owns`: biases of linear layers by parameter name.

        Raises:
            UsageError: The model has no such bias.
        """
        found = {
            f"{name}.bias".removeprefix("."): module.bias
            for name, module in unwrapped(model).named_modules()
            if isinstance(module, nn.Linear) and module.bias is not None and module.bias.requires_grad
        }
        if not found:
            raise UsageError("apb needs a model with nn.Linear layers whose biases are trained")
        if self.settings.biases == ALL:
            return found
        wanted = {name: self.task.names.get(name, name) for name in parse_targets(self.settings.biases)}
        readable = {full: short for short, full in self.task.names.items()}
        for name, full in wanted.items():
            if full not in found:
                valid = ", ".join(readable.get(name, name) for name in found)
                raise UsageError(
                    f"{name!r} is not the bias of a linear layer that is trained; valid: {valid}"
                )
        return {full: found[full] for full in wanted.values()}

    @torch.no_grad()
    def _move(self, name: str, bias: nn.Parameter, gradient: Tensor) -> None:
        step = self.settings.step
        if not self.settings.h:
            bias.add_(gradient.sign(), alpha=step)
            return
        if name not in self._factors:
            self._factors[name] = self._started(bias)
        memories, weights = self._factors[name]
        signs = (weights @ gradient).sign()
        weights.addr_(memories, gradient, alpha=step)
        memories.add_(signs, alpha=step)
        bias.copy_(memories @ weights)

    def _started(self, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The m and A whose product is ``bias``."""
        h = self.settings.h
        memories = bias.new_zeros(h)
        memories[0] = 1
        weights = noise_like(bias.new_empty(h, len(bias)), self.task.generator).div_(h**0.5)
        weights[0] = bias
        return memories, weights

    @override
    def state_dict(self) -> dict[str, Any]:
        """See `Method.state_dict`; m and A by the name of their bias."""
        return {name: {"m": m.clone(), "A": a.clone()} for name, (m, a) in self._factors.items()}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._factors = {name: (held["m"].clone(), held["A"].clone()) for name, held in state.items()}
