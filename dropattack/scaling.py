"""A scaled loss for float16, whose small gradients would otherwise be zero; attacks do not see the factor.

The factor follows the rule of `torch.amp.GradScaler`. GradScaler divides it out once, before an update. A
step here has several passes, and each depends on the gradient of the one before, so the factor is divided out
after every pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor


class LossScale:
    """The factor of a training's losses, adapted from update to update.

    A pass differentiates the loss times the factor, and divides each gradient by the factor where it reaches
    a parameter or an input. If a pass of a step has an inf or a nan in its gradients, the update is skipped
    and the factor shrinks. After ``interval`` updates in a row without one, the factor grows. A factor that
    is a power of two changes no digit of a float32 computation.

    Args:
        initial: The first factor, > 0; a number, or a 0-dimensional tensor.
        growth: Multiplies the factor after ``interval`` updates, ≥ 1.
        backoff: Multiplies the factor where an update is skipped, in (0, 1).
        interval: Updates in a row without an inf or a nan before the factor grows.
    """

    def __init__(
        self,
        initial: float | Tensor = 2.0**16,
        growth: float = 2.0,
        backoff: float = 0.5,
        interval: int = 2000,
    ) -> None:
        self._growth, self._backoff, self._interval = growth, backoff, interval
        self._factor = torch.as_tensor(initial, dtype=torch.float32)
        self._clean = torch.zeros((), dtype=torch.int32, device=self._factor.device)
        self._overflow = torch.zeros((), dtype=torch.float32, device=self._factor.device)

    @property
    def factor(self) -> Tensor:
        """0-dimensional, float32, on the device of the last loss."""
        return self._factor

    @property
    def overflow(self) -> Tensor:
        """1 if the gradients of a pass since the last `update` had an inf or a nan, else 0; 0-dimensional."""
        return self._overflow

    def scaled(self, value: Tensor) -> Tensor:
        """A loss, or another scalar to differentiate, times the factor."""
        if self._factor.device != value.device:
            self._factor, self._clean, self._overflow = (
                held.to(value.device) for held in (self._factor, self._clean, self._overflow)
            )
        return value * self._factor

    def unscaled(self, gradient: Tensor) -> Tensor:
        """The gradient of a scaled value divided by the factor, with its graph; notes an overflow."""
        if gradient.is_sparse:
            return torch.sparse_coo_tensor(
                gradient._indices(),
                self.unscaled(gradient._values()),
                gradient.shape,
                is_coalesced=gradient.is_coalesced(),
                check_invariants=False,
            )
        inverse = self._factor.reciprocal()
        if gradient.requires_grad:
            self._check([gradient.detach().clone()], inverse)
            return gradient * inverse.to(gradient.dtype)
        own = gradient.clone()
        self._check([own], inverse)
        return own

    def _check(self, gradients: Sequence[Tensor], inverse: Tensor) -> None:
        """Divides in place, as GradScaler does; the host does not wait."""
        torch._amp_foreach_non_finite_check_and_unscale_(list(gradients), self._overflow, inverse)

    @contextmanager
    def unscaling(self, value: Tensor) -> Iterator[None]:
        """Inside this context, ``backward`` of a scaled value leaves unscaled gradients everywhere."""
        with ExitStack() as stack:
            for leaf in _leaves(value):
                stack.callback(leaf.register_hook(self.unscaled).remove)
            yield

    def update(self, left_out: Tensor) -> None:
        """Adapts the factor after an update.

        Args:
            left_out: Positive where the update was skipped; 0-dimensional.
        """
        found = torch.maximum(self._overflow, left_out.to(self._overflow))
        torch._amp_update_scale_(
            self._factor, self._clean, found, self._growth, self._backoff, self._interval
        )
        self._overflow = torch.zeros_like(self._overflow)

    def state_dict(self) -> dict[str, Any]:
        """The factor, and how many updates in a row were clean."""
        return {"factor": self._factor.clone(), "clean": self._clean.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self._factor, self._clean = state["factor"].clone(), state["clean"].clone()
        self._overflow = torch.zeros_like(self._factor)


def _leaves(value: Tensor) -> list[Tensor]:
    """Every tensor whose ``.grad`` a value's ``backward`` would change."""
    found: list[Tensor] = []
    seen: set[Any] = set()
    open_nodes = [value.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.append(leaf)
        open_nodes += [following for following, _ in node.next_functions]
    return found
