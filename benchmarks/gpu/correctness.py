"""Whether a device's numbers are right: against float64 on the CPU, and lanes against trials alone."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import dropattack
from benchmarks.gpu.jobs import Job
from benchmarks.gpu.tables import images, table_named, texts
from trainables.data.dataset import Data
from trainables.lanes.loop import Lanes
from trainables.recipe.precision import arithmetic
from trainables.training.loop import Training
from trainables.workloads import workload_named

STEP_BOUND = 1e-4
"""Of a float32 step's change of all parameters, its distance from float64's as a share of its size (L2).

On a CPU it is at most 1e-5; products in TF32, with 10 bits of fraction, would be above it.
"""
LANES_BOUND = 0.01
"""Of an epoch's training loss, the difference between a lane and its trial alone, as a share of it."""
RATE = 64.0
"""Learning rate of the step: large, so that parameters near 1 do not round off what it changes.

It is 1 for methods that go on from one update to another in a step.
"""
WITHOUT_DRAWS: Mapping[str, Mapping[str, Any]] = {
    "dropattack": {"p": 1},
    "dropout": {"rate": 0},
    "esam-swp": {"beta": 1},
    "fgsm-rs": {"epsilon": 0},
    "freelb": {"magnitude": 0},
    "n-fgsm": {"noise": 0},
    "rwp": {"sigma": 0},
    "trades": {"kl_weight": 0},
    "vat": {"kl_weight": 0},
}
"""Values with which a method draws nothing, as the generators of two devices draw other numbers."""

SEED = 1
"""Of the generator that a step draws from."""


def step(job: Job) -> dict[str, Any]:
    """The error of a method's step on the device, and whether a second time gives the same bits.

    Returns:
        ``error``, and the ``bound`` that it should keep; ``repeats`` is of a step with its draws.
    """
    table, device = table_named(job.table, job.quick), torch.device(job.device)
    data, model, names = _case(job)
    values = dict(WITHOUT_DRAWS.get(job.method, {}))
    drawing: dict[str, Any] = {}
    if job.method == "dropattack":
        values["targets"] = drawing["targets"] = table.targets
    with arithmetic("float32"):
        exact = _change(job.method, model, data, names, values, torch.device("cpu"), torch.float64)
        found = _change(job.method, model, data, names, values, device, torch.float32)
        twice = [_change(job.method, model, data, names, drawing, device, torch.float32) for _ in range(2)]
    error = ((found - exact).norm() / exact.norm()).item()
    return {"error": error, "bound": STEP_BOUND, "repeats": torch.equal(*twice), "right": error <= STEP_BOUND}


def _case(job: Job) -> tuple[Data, nn.Module, Mapping[str, str]]:
    """A few examples, short texts among them, and the model for them with its targets' names."""
    table = table_named(job.table, job.quick)
    data = texts(32, 32, 5_000, 24 if job.quick else 64) if table.texts else images(64, 32)
    architecture = workload_named(table.workload).model_settings(table.model)
    torch.manual_seed(0)
    return data, architecture.build(data), architecture.targets


def _change(
    method: str,
    model: nn.Module,
    data: Data,
    names: Mapping[str, str],
    values: Mapping[str, Any],
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """What a step changes of all parameters, in float64 on the CPU."""
    inputs, labels = next(data.train.to(device).batches(32))
    if isinstance(inputs, Tensor):
        inputs = inputs.to(dtype)
    moved = copy.deepcopy(model).to(device, dtype)
    task = dropattack.Task(names=names, generator=torch.Generator(device).manual_seed(SEED), words=data.words)
    tried = dropattack.create(method, task=task, **values)
    optimizer = torch.optim.SGD(moved.parameters(), lr=RATE if tried.accumulates(tried.settings) else 1.0)
    tried.step(moved, (inputs, labels), optimizer)
    pairs = zip(moved.parameters(), model.parameters(), strict=True)
    return torch.cat([(new.detach().cpu().double() - old.detach()).flatten() for new, old in pairs])


def equal(job: Job) -> dict[str, Any]:
    """How far the losses of lanes are from those of their trials alone, after one epoch.

    Returns:
        ``error``, and the ``bound`` that it should keep.
    """
    table, device = table_named(job.table, job.quick), torch.device(job.device)
    data, trials = table.data(), table.group()[: job.at_once]
    alone = [Training(trial, data, device).epoch()["train_loss"] for trial in trials]
    lanes = Lanes.of(trials, data, device).epoch()
    error = 0.0
    for trial, loss in zip(trials, alone, strict=True):
        metrics = lanes[trial.key]
        if isinstance(metrics, Exception):
            raise metrics
        error = max(error, abs(metrics["train_loss"] - loss) / loss)
    return {"error": error, "bound": LANES_BOUND, "right": error <= LANES_BOUND}
