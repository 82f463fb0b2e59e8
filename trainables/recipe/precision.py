"""In which arithmetic a trial's matrix products and convolutions are computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from dropattack import LossScale

FLOAT16 = "float16"
PRECISIONS = ("float32", "tf32", "bfloat16", FLOAT16)
_AUTOCAST = {"bfloat16": torch.bfloat16, FLOAT16: torch.float16}


def autocast(precision: str) -> torch.dtype | None:
    """The type of a step's forward passes where it is not that of the parameters; see `dropattack.Task`."""
    return _AUTOCAST.get(precision)


def scaling_for(precision: str) -> LossScale | None:
    """What scales a training's loss; nothing where its gradients need none."""
    return LossScale() if precision == FLOAT16 else None


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Lets a GPU compute single-precision products in TF32, with 10 bits of fraction, or keeps it from that.

    PyTorch by itself takes TF32 for convolutions and recurrent layers. To a CPU it makes no difference.
    """
    # PyTorch's own `cudnn.flags` reads these names, and refuses to once the newer ones have been set.
    kinds: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [kind.allow_tf32 for kind in kinds]
    for kind in kinds:
        kind.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            kind.allow_tf32 = value
