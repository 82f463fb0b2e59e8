"""How many trials share a GPU: measures one trial, and runs as many side by side as the memory holds."""

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
    """How much of a GPU's memory a trial takes, in bytes.

    Attributes:
        peak: The most that its tensors took, with what torch caches around them.
        total: All memory of the GPU.
    """

    peak: int
    total: int


Measure = Callable[[Trial, Path, bool], Memory]


def share(memory: Memory) -> float:
    """The share of a GPU that one trial gets; 1 where two do not fit.

    Each process gets the measured memory and a quarter more as headroom, and room for its CUDA context; at
    least the smallest share that Ray can count.

    Examples:
        >>> share(Memory(peak=2 * 2**30, total=16 * 2**30))
        0.25
    """
    tensors = max(memory.peak * _HEADROOM, LEAST_BYTES)
    trials = math.floor(memory.total / (tensors + CONTEXT_BYTES))
    return math.floor(_GRAIN / max(trials, 1)) / _GRAIN


def measure(trial: Trial, data: Path, compiled: bool) -> Memory:
    """Trains a trial for one epoch on a whole GPU of the cluster, for its memory alone.

    This epoch is the last one, so that it ends with the test and the trial's attacks, whose memory counts
    too.

    Raises:
        UsageError: torch cannot use the GPU, or the trial does not fit.
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
