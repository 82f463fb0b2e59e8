"""How many examples are evaluated at a time: few on a CPU, as many as fit on a GPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from trainables.gpu import is_out_of_memory

BATCH = 250
"""On a CPU, small enough that LeNet-5's activations stay below the allocator's 32 MiB limit for mapped
blocks: above it every batch maps and clears its pages anew, which doubled the time of an evaluation (205,000
page faults per 10,000 images at 1,000 a batch, none at 250)."""
ON_A_GPU = 1000
"""On a GPU, large enough that small models are not kept waiting for the host: an evaluation of LeNet-5 took a
quarter of the time that it took at 250, and PGD-20 too."""
SMALLEST = 25
"""Fewer are not tried where memory is full."""

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
    """Evaluates in batches of a size that suits a device, and in smaller ones where its memory is full.

    Args:
        evaluate: Does it all in batches of so many examples, and may do it several times.
        device: Where.
        on_a_gpu: How many to begin with on a GPU.

    Raises:
        Exception: What ``evaluate`` raises; that memory is full, only where few examples do not fit either.
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
        torch.cuda.empty_cache()  # here, where no frame of what failed holds tensors any more
        size //= 2
    return evaluate(size)
