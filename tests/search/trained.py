"""Sweeps that are really trained, here and now: without Ray, one trial after the other."""

import math
from pathlib import Path
from typing import Any

import torch

from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.engine.code import sweep_code
from search.engine.engine import Engine
from search.records.store import Store
from trainables.disk import model_path
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.workloads import workload_named

UNUSED = Path("unused")
"""A data root of workloads that need none."""


def sweep(**changes: Any) -> Sweep:
    """A small sweep of two methods on two seeds."""
    raw: dict[str, Any] = {
        "name": "attacked",
        "workload": "digits-lenet5",
        "training": {"epochs": 1, "train_size": 128},
        "seeds": [0, 1],
        "stages": [{"name": "grid", "methods": {"standard": {}, "fgsm": {"epsilon": 0.1}}}],
    }
    return parse_sweep({key: value for key, value in (raw | changes).items() if value is not None})


def run(definition: Sweep, store: Store) -> Engine:
    """Trains a sweep on digits, each trial with as many threads as in a process of its own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, math.floor(definition.resources.cpus)))
    store.define(definition)
    store.note_code(definition.name, sweep_code(definition))
    engine = Engine(definition, store.journal(definition, writable=True), _checksum)
    data = workload_named("digits-lenet5").load(UNUSED)
    while (record := engine.next()) is not None:
        training = Training(record.trial, data)
        while engine.report(record.key, training.epoch()):
            pass
        if training.finished:
            save_atomically(training.result(), model_path(store.folder(definition.name), record.key))
    torch.set_num_threads(threads)
    return engine


def _checksum(workload: str, options: Any) -> str:
    return workload_named(workload).checksum(UNUSED, options)
