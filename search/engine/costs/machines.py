"""Tells where recorded times come from, if that is another machine than this one."""

import os
from collections.abc import Iterable

from search.records.provenance import Run, cpu_model, gpu_facts


def remarks_on_machines(runs: Iterable[Run], on_gpu: bool) -> list[str]:
    """A line where some recorded times are another machine's; nothing on a cluster, whose nodes train.

    Args:
        runs: Those that recorded them. One that does not say on what it ran is left out.
        on_gpu: Whether trials occupy a GPU, which then decides how long they take.
    """
    if os.environ.get("RAY_ADDRESS"):
        return []
    here = set(gpu_facts("name")) if on_gpu else {cpu_model()}
    there = {machine for run in runs for machine in _machines(run, on_gpu)}
    others = sorted(there - here)
    if not others or not here:
        return []
    some = "some times" if there & here else "times"
    return [
        f"{some} were recorded on {' and '.join(others)}; this machine has {' and '.join(sorted(here))}: "
        "--probe measures a few steps here"
    ]


def _machines(run: Run, on_gpu: bool) -> list[str]:
    """What it trained on, such as ``NVIDIA H100 80GB HBM3``: `Provenance.gpus` counts each kind."""
    kinds = run.of.gpus.split(", ") if on_gpu else [run.of.cpu]
    return [kind.partition(" × ")[2] if on_gpu else kind for kind in kinds if kind]
