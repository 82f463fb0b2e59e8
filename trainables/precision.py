"""In which arithmetic a trial's matrix products and convolutions are computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

PRECISIONS = ("float32", "tf32", "bfloat16")


def autocast(precision: str) -> torch.dtype | None:
    """The type of a step's forward passes where it is not that of the parameters; see `dropattack.Task`."""
    return torch.bfloat16 if precision == "bfloat16" else None


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Lets a GPU compute single-precision products in TF32, with 10 bits of fraction, or keeps it from that.

    PyTorch by itself takes TF32 for convolutions and recurrent layers. To a CPU it makes no difference.
    """
    backends: Any = torch.backends
    kinds = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds:
        kind.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            kind.fp32_precision = value
