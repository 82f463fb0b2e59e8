"""The benchmark's worker with faults: ``python -m tests.benchmarks.gpu.faulty FAULTS DESCRIPTOR``.

Faults are JSON: by measure, or measure and method, what happens instead of the measurement.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import speed, worker
from benchmarks.gpu.jobs import RIGHT, Job
from trainables.training.loop import Training

MOST = 2
"""Trials that the memory of "full" has room for."""


def command(**faults: str) -> Sequence[str]:
    """Starts a worker with these faults; ``all`` is for measures that are not named."""
    return (sys.executable, "-m", "tests.benchmarks.gpu.faulty", json.dumps(faults))


def figures(job: Job, right: bool = True) -> dict[str, Any]:
    """What a measurement would give."""
    if job.measure in RIGHT:
        return {"error": 1e-6 if right else 1e-2, "bound": 1e-4, "right": right}
    return {"seconds": [2.0, 1.0], "per_hour": [30.0 * job.at_once, 20.0, 40.0], "peak_mib": None}


def happen(fault: str, job: Job) -> dict[str, Any]:
    if fault == "killed":
        print("the last thing that it printed", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "leaves":
        os._exit(3)
    if fault.startswith("hangs "):
        with subprocess.Popen(["sleep", "1000000"]) as other:
            Path(fault.removeprefix("hangs ")).write_text(f"{os.getpid()} {other.pid}")
            threading.Event().wait()
    if fault == "fails":
        raise ValueError("CUDA error: out of memory, said somebody\nand more")
    if fault == "full" and job.at_once > MOST:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    if fault == "always full":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    return figures(job, right=fault != "wrong")


def lives(pid: int) -> bool:
    """Whether a process runs, and is not just a name that nobody has asked for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Dying:
    """A training of which one in two does not live to see its epoch."""

    def __init__(self, *args: Any) -> None:
        self._training = Training(*args)
        self.epoch = self._training.epoch
        if self._training.trial.seed % 2:
            self.epoch = lambda: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,return-value]


if os.environ.get("SIDE_BY_SIDE") == "killed":
    speed.Training = Dying  # type: ignore[misc,assignment]


def main() -> None:
    faults = json.loads(sys.argv[1])
    measurements = dict(worker.MEASUREMENTS)

    def measured(job: Job) -> dict[str, Any]:
        names = (f"{job.measure}_{job.method}", job.measure, "all")
        fault = next((faults[name] for name in names if name in faults), None)
        return measurements[job.measure](job) if fault is None else happen(fault, job)

    worker.MEASUREMENTS = dict.fromkeys(measurements, measured)
    worker.main()


if __name__ == "__main__":
    main()
