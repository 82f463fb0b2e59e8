"""The arithmetic of a trial's matrix products and convolutions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from dropattack import LossScale

FLOAT16 = "float16"
PRECISIONS = ("float32", "tf32", "bfloat16", FLOAT16)
_AUTOCAST = {"bfloat16": torch.bfloat16, FLOAT16: torch.float16}


def autocast(precision: str) -> torch.dtype | None:
    """The type of a step's forward passes; ``None`` for that of the parameters. See `dropattack.Task`."""
    return _AUTOCAST.get(precision)


def scaling_for(precision: str) -> LossScale | None:
    """The scale of a training's loss; ``None`` if its gradients need none."""
    return LossScale() if precision == FLOAT16 else None


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Allows or forbids a GPU to compute single-precision products in TF32, with 10 bits of fraction.

    By default PyTorch uses TF32 for convolutions and recurrent layers. A CPU is not affected.
    """
    # PyTorch's own `cudnn.flags` reads these names, and raises once the newer ones have been set.
    kinds: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [kind.allow_tf32 for kind in kinds]
    for kind in kinds:
        kind.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            kind.allow_tf32 = value
