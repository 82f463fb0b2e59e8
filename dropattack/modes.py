"""Temporary modes of a model during adversarial passes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
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
