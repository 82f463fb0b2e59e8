"""Torch's default generator as a trial's own: in the trial's state for a while, then restored."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class OwnDefault:
    """The state of torch's default generator, of the CPU and of the device, that belongs to one trial.

    Args:
        seed: Seeds the state.
        device: The trial's device.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        self._devices = [device] if device.type == "cuda" else []
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """Begins anew."""
        self._drawn = False
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(seed)
            self._state = self._now()

    @contextmanager
    def drawn_from(self) -> Iterator[None]:
        """Inside this context, the default generator has the trial's state."""
        with torch.random.fork_rng(devices=self._devices):
            torch.set_rng_state(self._state["cpu"])
            if self._devices:
                torch.cuda.set_rng_state(self._state["cuda"], self._device)
            self._drawn = True
            try:
                yield
            finally:
                self._state, self._drawn = self._now(), False

    def state(self) -> dict[str, Tensor]:
        """The present state, by type of device, on the CPU; also inside of `drawn_from`."""
        return self._now() if self._drawn else self._state

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned, from tensors on any device."""
        self._state = {name: value.cpu() for name, value in state.items()}

    def _now(self) -> dict[str, Tensor]:
        state = {"cpu": torch.get_rng_state()}
        if self._devices:
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        return state
