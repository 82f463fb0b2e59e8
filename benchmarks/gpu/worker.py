"""The process in which things are measured: takes a job a line, and answers a line, until its input ends.

    python -m benchmarks.gpu.worker DESCRIPTOR

Answers go to the file descriptor of that number; what libraries print does not get between them.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.gpu import correctness, speed
from benchmarks.gpu.ends import said
from benchmarks.gpu.jobs import ALONE, COMPILED, EQUAL, LANES, PROCESSES, STEP, Job
from trainables.gpu import is_out_of_memory

Measurement = Callable[[Job], dict[str, Any]]
MEASUREMENTS: dict[str, Measurement] = {
    STEP: correctness.step,
    EQUAL: correctness.equal,
    ALONE: speed.alone,
    PROCESSES: speed.processes,
    LANES: speed.lanes,
    COMPILED: speed.alone,
}


def answer(job: Job) -> dict[str, Any]:
    """What a job's measurement gives: its figures, or ``error`` and whether that is ``out_of_memory``."""
    try:
        return MEASUREMENTS[job.measure](job)
    except Exception as error:
        full = is_out_of_memory(error) or getattr(error, "out_of_memory", False)
        return {"error_said": said(error), "out_of_memory": full}


def main() -> None:
    torch.set_num_threads(1)
    descriptor = int(sys.argv[-1])
    os.set_inheritable(descriptor, False)
    with os.fdopen(descriptor, "w") as answers:
        for line in sys.stdin:
            answers.write(json.dumps(answer(Job(**json.loads(line)))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
