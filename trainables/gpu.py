"""GPUs as a trial's process meets them: whether there is one, its share of it, and what a full one says."""

import math
import re

import torch

from dropattack import UsageError

CONTEXT_BYTES = 2**30
"""GPU memory that a process takes beside its tensors: the CUDA context and the libraries' workspaces."""
LEAST_BYTES = 2**28
"""GPU memory for tensors without which nothing can be trained: LeNet-5 and what cuBLAS and cuDNN work in."""

_FULL = re.compile(
    r"(CUDA|HIP)( driver)? error: out of memory|Triton Error \[\w+\]: out of memory|MPS backend out of memory"
    r"|\b(CU|HIP|ROC|MIOPEN)\w*ALLOC\w*FAILED\b"
)
"""What CUDA, its libraries and theirs say where there is no memory left; none of it is `OutOfMemoryError`."""


class NoGpuError(UsageError):
    """This machine cannot give a trial the GPU that it was promised; no fault of the trial."""


def device_for(gpus: float) -> torch.device:
    """Where a trial trains that occupies so many GPUs, or such a share of one.

    Raises:
        NoGpuError: It occupies one, and torch sees none.
    """
    if not gpus:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise NoGpuError(without_cuda() or "torch sees no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES")
    return torch.device("cuda")


def without_cuda() -> str:
    """Why this torch could not use a GPU if there were one; nothing where it could."""
    if torch.backends.cuda.is_built():
        return ""
    return (
        f"torch {torch.__version__} is built without CUDA; install a build with CUDA, or leave out "
        "resources.gpus to train on the CPU"
    )


def share_problem(gpus: float, total: int) -> str:
    """Why a share of a GPU is too small for any trial; nothing where it is not.

    Args:
        gpus: The share.
        total: The GPU's memory in bytes.

    Example:
        >>> share_problem(0.05, 16 * 2**30)
        'gpus: 0.05 of 16 GiB leaves a trial no memory beside its CUDA context; the smallest share is 0.08'
        >>> share_problem(0.08, 16 * 2**30)
        ''
    """
    least = (CONTEXT_BYTES + LEAST_BYTES) / total
    if not gpus or gpus >= min(least, 1):
        return ""
    return (
        f"gpus: {gpus:g} of {total / 2**30:.0f} GiB leaves a trial no memory beside its CUDA context; the "
        f"smallest share is {min(1.0, math.ceil(100 * least) / 100):g}"
    )


def keep_to_share(gpus: float) -> None:
    """Lets this process fill its share of a GPU and no more, and gives back what trials before have left.

    Shares are bookkeeping to Ray. With this limit, a trial that needs more fails and its neighbours do not.

    Raises:
        NoGpuError: There is no GPU, or the share is too small for any trial.
    """
    if device_for(gpus).type == "cpu":
        return
    total = torch.cuda.get_device_properties(0).total_memory
    if problem := share_problem(gpus, total):
        raise NoGpuError(problem)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(gpus - CONTEXT_BYTES / total if gpus < 1 else 1.0)


def room_on(device: torch.device) -> float:
    """Bytes that this process may still take on a device; without end where torch cannot tell."""
    if device.type != "cuda":
        return math.inf
    free, total = torch.cuda.mem_get_info(device)
    allowed = total * torch.cuda.get_per_process_memory_fraction(device)
    return min(free, allowed - torch.cuda.memory_reserved(device))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that caused it, says that a GPU's memory is full."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    if isinstance(error, RuntimeError) and _FULL.search(str(error)):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)
