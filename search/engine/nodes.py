"""Compares the resources of a trial with those of machines."""

import math
import os
from collections.abc import Mapping, Sequence

import torch

from search.definition.sweep import Resources
from search.records.provenance import gpu_facts
from trainables.gpu import share_problem, without_cuda


def fits(resources: Resources, node: Mapping[str, float]) -> bool:
    """Whether one trial fits on a node."""
    return on_node(resources, node) > 0


def on_node(resources: Resources, node: Mapping[str, float]) -> int:
    """How many trials fit on a node side by side; a share of a GPU lies on one GPU.

    Examples:
        >>> on_node(Resources(cpus=2, gpus=0.25), {"CPU": 16, "GPU": 1})
        4
    """
    trials = math.floor(node.get("CPU", 0) / resources.cpus)
    share = resources.most_gpus
    if share:
        there = math.floor(node.get("GPU", 0))
        trials = min(trials, there * math.floor(1 / share) if share < 1 else math.floor(there / share))
    return trials


def too_much(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> str:
    """The message if no node has the resources of one trial."""
    wanted = f"{resources.cpus:g} CPUs" + (f" and {resources.most_gpus:g} GPUs" if resources.gpus else "")
    there = "; ".join(sorted({f"{n.get('CPU', 0):g} CPUs, {n.get('GPU', 0):g} GPUs" for n in nodes}))
    without = bool(resources.gpus) and not any(node.get("GPU", 0) for node in nodes)
    advice = "--set resources.gpus=0 trains on CPUs" if without else "lower `resources`"
    return f"a trial needs {wanted}, and no node has them (nodes have: {there}); {advice}"


def gpu_problem(resources: Resources) -> str:
    """What keeps trials from this machine's GPUs, as far as it shows without using one; or nothing."""
    if not resources.gpus:
        return ""
    mebibytes = [int(found) for found in gpu_facts("memory.total") if found.isdecimal()]
    largest = max(mebibytes, default=0) * 2**20
    return without_cuda() or (share_problem(resources.most_gpus, largest) if largest else "")


def remarks_on_gpus(resources: Resources) -> list[str]:
    """A line if this machine has a GPU on which the sweep does not train; empty on a cluster."""
    if resources.gpus or os.environ.get("RAY_ADDRESS") or not torch.cuda.is_available():
        return []
    return [
        f"trains on the CPU, though this machine has a GPU ({torch.cuda.get_device_name()}): "
        "--set resources.gpus=auto trains on it, as many trials side by side as fit"
    ]
