"""Temporary modes of a model during the passes of a step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase


@contextmanager
def frozen_batch_statistics(model: nn.Module) -> Iterator[None]:
    """Keeps BatchNorm's running statistics as they are; batches are still normalised by their own.

    An attacked pass sees a distribution that is not the one at test time, so its statistics stay out of
    the running averages, as is usual for sharpness-aware training.
    """
    tracking = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Runs recurrent layers without cuDNN, attention without fused kernels: they have no second derivative.

    Attention is plain matrix products then, whose weights take length² numbers of memory for each head.
    """
    cudnn = torch.backends.cudnn
    enabled = cudnn.enabled
    cudnn.enabled = enabled and not any(isinstance(module, nn.RNNBase) for module in model.modules())
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        cudnn.enabled = enabled


class KeptStatistics:
    """The running statistics of a model's normalisation layers as they were before a step.

    Args:
        model: In training mode; layers that update no statistics do not count.
    """

    def __init__(self, model: nn.Module) -> None:
        layers = [m for m in model.modules() if isinstance(m, _NormBase) and m.training]
        self._now = [buffer for layer in layers for buffer in layer.buffers(recurse=False)]
        self._before = [buffer.clone() for buffer in self._now]

    @torch.no_grad()
    def restore(self, where: Tensor) -> None:
        """Puts them back where the 0-dimensional ``where`` is true; the host does not wait for a GPU."""
        if where.is_cpu and not where:
            return
        for now, before in zip(self._now, self._before, strict=True):
            now.copy_(torch.where(where.to(now.device), before, now))


@contextmanager
def model_draws(
    generator: torch.Generator | None, device: torch.device, repeated: Tensor | None = None
) -> Iterator[Tensor]:
    """Lets what a model draws in a pass, such as dropout's masks, come from a task's generator.

    Models draw from torch's default generator, which stands where it stood when the pass is over. Where a
    method draws from ``generator`` in the pass, as it does noise for a first pass, that decides where
    ``generator`` stands.

    Args:
        generator: Of the task, on the model's device; ``None`` for the default one.
        device: The model's.
        repeated: What an earlier pass began with, to draw the same again; ``generator`` then stays where
            it is.

    Yields:
        The state that the pass begins with.
    """
    get, put = _default_state(device)
    before = get()
    began = repeated
    if began is None:
        began = before if generator is None else generator.get_state()
    put(began)
    try:
        yield began
        if repeated is None:
            if generator is None:
                before = get()
            elif torch.equal(generator.get_state(), began):
                generator.set_state(get())
    finally:
        put(before)


def _default_state(device: torch.device) -> tuple[Callable[[], Tensor], Callable[[Tensor], object]]:
    """How to read and set the state of a device's default generator; neither waits for the device."""
    if device.type == "cpu":
        return torch.get_rng_state, torch.set_rng_state
    module = torch.get_device_module(device.type)
    if device.type == "mps":
        return module.get_rng_state, module.set_rng_state
    return partial(module.get_rng_state, device), partial(module.set_rng_state, device=device)
