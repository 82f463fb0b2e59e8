"""The batch size of an evaluation: small on a CPU, as large as fits on a GPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from trainables.gpu import is_out_of_memory

BATCH = 250
"""Batch size on a CPU, small enough that LeNet-5's activations stay below the allocator's 32 MiB limit for
mapped blocks. Above it every batch maps and clears its pages anew, which doubled the time of an evaluation
(205,000 page faults per 10,000 images at 1,000 a batch, none at 250)."""
ON_A_GPU = 1000
"""Batch size on a GPU, large enough that small models do not wait for the host: an evaluation of LeNet-5, and
PGD-20 too, took a quarter of the time at 250."""
SMALLEST = 25
"""Smallest batch size to try when memory is full."""

Found = TypeVar("Found")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts a model in eval mode and keeps no graph meanwhile."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def in_batches(evaluate: Callable[[int], Found], device: torch.device, on_a_gpu: int = ON_A_GPU) -> Found:
    """Evaluates in batches of a size that suits a device, and in smaller ones if its memory is full.

    Args:
        evaluate: Evaluates everything in batches of so many examples; may be called several times.
        device: The device.
        on_a_gpu: First batch size on a GPU.

    Raises:
        Exception: Any error of ``evaluate``; for full memory only if few examples do not fit either.
    """
    if device.type == "cpu":
        return evaluate(BATCH)
    size = on_a_gpu
    while size >= 2 * SMALLEST:
        try:
            return evaluate(size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        torch.cuda.empty_cache()  # here, where no frame of the failed call holds tensors
        size //= 2
    return evaluate(size)
