"""A workload whose trials run out of GPU memory, as torch would say it, unless they have the whole GPU.

The GPUs are Ray's in name only: trials of this workload train on the CPU instead.
"""

from dataclasses import dataclass, replace

import ray
import torch
from torch import nn

from dropattack import setting
from trainables import trainable
from trainables.data.dataset import Data
from trainables.models.lenet5 import LeNet5Architecture
from trainables.workloads import Workload, workload_named

_device_for, _keep_to_share = trainable.device_for, trainable.keep_to_share


def _in_a_worker() -> bool:
    return ray.is_initialized() and ray.get_runtime_context().get_actor_id() is not None


trainable.device_for = lambda gpus: _device_for(0 if _in_a_worker() else gpus)
trainable.keep_to_share = lambda gpus: _keep_to_share(0 if _in_a_worker() else gpus)


@dataclass(frozen=True, kw_only=True)
class Crowded(LeNet5Architecture):
    """LeNet-5 that wants so much of a GPU."""

    wants: float = setting(1.0, "Share of a GPU.", low=0, high=2)

    def build(self, data: Data) -> nn.Module:
        """The model, where there is room for it."""
        has = ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)
        if has < self.wants:
            raise torch.OutOfMemoryError(f"tried to allocate {self.wants} of a GPU and has {has}")
        return super().build(data)


def workload() -> Workload:
    """Small digits on crowded GPUs."""
    return replace(workload_named("digits-lenet5"), architecture=Crowded())
