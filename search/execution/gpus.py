"""How many trials share a GPU: one is measured, and as many are put side by side as its memory holds."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import ray
import torch

from dropattack import UsageError
from trainables.gpu import CONTEXT_BYTES, LEAST_BYTES, device_for
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import workload_named

_HEADROOM = 1.25
"""Room for trials that take more than the one that was measured."""
_GRAIN = 10_000
"""Ray counts resources in ten-thousandths."""


@dataclass(frozen=True)
class Memory:
    """What a trial takes of a GPU, in bytes.

    Attributes:
        peak: The most that its tensors, and what torch keeps around them, took.
        total: What the GPU has.
    """

    peak: int
    total: int


Measure = Callable[[Trial, Path, bool], Memory]


def share(memory: Memory) -> float:
    """The share of a GPU that one trial gets; 1 where two do not fit.

    Each process takes what was measured and a quarter more as headroom, at least the smallest share that
    works, and its CUDA context.

    Examples:
        >>> share(Memory(peak=2 * 2**30, total=16 * 2**30))
        0.25
    """
    tensors = max(memory.peak * _HEADROOM, LEAST_BYTES)
    trials = math.floor(memory.total / (tensors + CONTEXT_BYTES))
    return math.floor(_GRAIN / max(trials, 1)) / _GRAIN


def measure(trial: Trial, data: Path, compiled: bool) -> Memory:
    """Trains a trial for one epoch on a whole GPU of the cluster, for its memory alone.

    As the epoch is its last one, it ends with a test and the trial's attacks, and their memory counts.

    Raises:
        UsageError: The GPU is one in name only, or the trial does not fit.
    """
    task = ray.remote(num_gpus=1, max_retries=0)(measure_here)
    try:
        memory: Memory = ray.get(task.remote(trial, data, compiled))
    except ray.exceptions.RayTaskError as error:
        raise UsageError(f"resources.gpus: auto could not measure a trial: {error.cause}") from None
    return memory


def measure_here(trial: Trial, data: Path, compiled: bool) -> Memory:
    """As `measure`, in this process."""
    device = device_for(1)
    torch.cuda.reset_peak_memory_stats(device)
    split = workload_named(trial.workload).load(data, trial.data).to(device)
    one_epoch = replace(trial.training_settings, epochs=1)
    Training(trial.under(one_epoch), split, device, compiled).epoch()
    return Memory(torch.cuda.max_memory_reserved(device), torch.cuda.mem_get_info(device)[1])
