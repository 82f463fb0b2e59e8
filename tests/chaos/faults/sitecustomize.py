"""Faults in real processes. Python imports this module at start where its folder is on PYTHONPATH.

``CHAOS_FAULT`` names a point and how often it is passed before the fault, ``before-store:7``; the process
that passes it then is killed, once in all. ``CHAOS_LEDGER`` is a file to which every worker adds each epoch
that it trained, before anything else learns of it: the independent truth that records are compared with.
"""

import functools
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
from pathlib import Path

POINT, _, COUNT = os.environ.get("CHAOS_FAULT", "").partition(":")
LEDGER = os.environ.get("CHAOS_LEDGER", "")
_passed = 0


def fault(point):
    """Kills this process at the right passing of the right point."""
    global _passed
    if not point or point != POINT:
        return
    _passed += 1
    once = Path(LEDGER + ".fault")
    if _passed == int(COUNT) and not once.exists():
        once.write_text(point)
        os.kill(os.getpid(), signal.SIGKILL)


def wrap(owner, name, before="", after=""):
    """Puts fault points before and after a function."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args, **options):
        fault(before)
        result = original(*args, **options)
        fault(after)
        return result

    setattr(owner, name, wrapped)


def patch_journal(module):
    wrap(module.Journal, "add", before="before-add", after="after-add")
    wrap(module.Journal, "append", before="before-store", after="after-store")
    wrap(module.Journal, "finish", before="before-tell", after="after-tell")


def patch_runs(module):
    wrap(module.SweepRuns, "_create", before="before-mlflow", after="after-mlflow-create")
    wrap(module.SweepRuns, "show", after="after-mlflow")


def patch_training(module):
    original = module.Training.epoch

    def epoch(self, *given):
        metrics = original(self, *given)
        if sys._getframe(1).f_code.co_name == "_rehearse":  # a trial's eve, on a few examples
            return metrics
        kept = {n: v for n, v in metrics.items() if "seconds" not in n and n not in ("on_gpu", "gpus")}
        line = json.dumps([self.trial.key, int(metrics["epoch"]), kept], sort_keys=True) + "\n"
        descriptor = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        fault("worker-after-epoch")
        return metrics

    module.Training.epoch = epoch


def patch_disk(module):
    original = os.fsync

    def fsync(descriptor):
        writer = sys._getframe(1)
        callers = writer.f_code.co_name, writer.f_back and writer.f_back.f_code.co_name
        if callers == ("write_atomically", "save_atomically"):  # of workers; the driver writes notes
            fault("worker-mid-checkpoint")
        original(descriptor)

    module.os.fsync = fsync


PATCHES = {
    "search.records.journal": patch_journal,
    "search.tracking.runs": patch_runs,
    "trainables.training.loop": patch_training,
    "trainables.disk": patch_disk,
}


class Patching(importlib.abc.MetaPathFinder):
    """Patches modules as they are imported."""

    def find_spec(self, name, path, target=None):
        if name not in PATCHES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                PATCHES[name](module)

            spec.loader.exec_module = exec_module
        return spec


if LEDGER:
    sys.meta_path.insert(0, Patching())
