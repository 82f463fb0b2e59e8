"""GPUs in a trial's process: whether there is one, the process's share of it, and errors of a full one."""

import math
import re

import torch

from dropattack import UsageError

CONTEXT_BYTES = 2**30
"""GPU memory that a process uses beside its tensors: the CUDA context and the libraries' workspaces."""
LEAST_BYTES = 2**28
"""Least GPU memory for tensors in which anything trains: LeNet-5, and workspaces of cuBLAS and cuDNN."""

_FULL = re.compile(
    r"(CUDA|HIP)( driver)? error: out of memory|Triton Error \[\w+\]: out of memory|MPS backend out of memory"
    r"|\b(CU|HIP|ROC|MIOPEN)\w*ALLOC\w*FAILED\b"
)
"""Messages of CUDA and of libraries for full memory that do not arrive as `OutOfMemoryError`."""


class NoGpuError(UsageError):
    """This machine lacks the GPU that a trial was promised, which is no fault of the trial."""


def device_for(gpus: float) -> torch.device:
    """The device for a trial that occupies so many GPUs, or such a share of one.

    Raises:
        NoGpuError: The trial occupies a GPU, and torch sees none.
    """
    if not gpus:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise NoGpuError(without_cuda() or "torch sees no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES")
    return torch.device("cuda")


def without_cuda() -> str:
    """Why this build of torch cannot use any GPU; empty if it can."""
    if torch.backends.cuda.is_built():
        return ""
    return (
        f"torch {torch.__version__} is built without CUDA; install a build with CUDA, or train on "
        "the CPU with --set resources.gpus=0"
    )


def share_problem(gpus: float, total: int) -> str:
    """Why a share of a GPU is too small for any trial; empty if it is large enough.

    Args:
        gpus: The share.
        total: The GPU's memory in bytes.

    Examples:
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
    """Limits this process to its share of a GPU, and frees memory that earlier trials have left.

    Ray counts shares, but enforces none. With this limit, a trial that needs more fails alone.

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
    """Bytes that this process may still allocate on a device; infinite if torch does not know."""
    if device.type != "cuda":
        return math.inf
    number = torch.cuda.current_device() if device.index is None else device.index
    free, total = torch.cuda.mem_get_info(number)
    allowed = total * torch.cuda.get_per_process_memory_fraction(number)
    return min(free, allowed - torch.cuda.memory_reserved(number))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that caused it, reports that a GPU's memory is full."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    if isinstance(error, RuntimeError) and _FULL.search(str(error)):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)
