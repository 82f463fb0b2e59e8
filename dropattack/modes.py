"""Temporary modes of a model during adversarial passes."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


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
