"""How long epochs take: of one trial, of trials in a process each, of lanes. All time whole epochs."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from typing_extensions import override

from benchmarks.gpu.ends import ended, said
from benchmarks.gpu.jobs import COMPILED, Job
from benchmarks.gpu.tables import EPOCHS, table_named
from trainables.gpu import is_out_of_memory
from trainables.lanes.loop import Lanes
from trainables.training.loop import Training


class SideError(RuntimeError):
    """One of several processes failed.

    Attributes:
        out_of_memory: Whether for that.
    """

    def __init__(self, message: str, out_of_memory: bool = False) -> None:
        super().__init__(message, out_of_memory)
        self.out_of_memory = out_of_memory

    @override
    def __str__(self) -> str:
        return str(self.args[0])


def alone(job: Job) -> dict[str, Any]:
    """One trial that has the device to itself."""
    table, device = table_named(job.table, job.quick), torch.device(job.device)
    training = Training(table.group()[0], table.data(), device, job.measure == COMPILED)
    return figures(job, timed(training.epoch, job.rounds), peak(device))


def lanes(job: Job) -> dict[str, Any]:
    """One stack."""
    table, device = table_named(job.table, job.quick), torch.device(job.device)
    stack = Lanes.of(table.group()[: job.at_once], table.data(), device)
    return figures(job, timed(stack.epoch, job.rounds), peak(device))


def processes(job: Job) -> dict[str, Any]:
    """Trials in a process each, which begin every epoch together; an epoch is as long as the slowest.

    Raises:
        SideError: One of them failed, or died; the others are ended.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(job.at_once)
    children: dict[Any, Any] = {}
    found: list[tuple[list[float], float | None]] = []
    try:
        for number in range(job.at_once):
            receiving, sending = context.Pipe(duplex=False)
            child = context.Process(target=_side, args=(job, number, barrier, sending))
            child.start()
            sending.close()
            children[receiving] = child
        while len(found) < job.at_once:
            pipe = wait([pipe for pipe, child in children.items() if child is not None])[0]
            found.append(_received(pipe, children[pipe]))
            children[pipe].join()
            children[pipe] = None
    finally:
        for child in children.values():
            if child is not None:
                child.kill()
                child.join()
    together = [max(seconds) for seconds in zip(*(seconds for seconds, _ in found), strict=True)]
    peaks = [memory for _, memory in found if memory is not None]
    return figures(job, together, sum(peaks) if peaks else None)


def _received(pipe: Any, child: Any) -> tuple[list[float], float | None]:
    try:
        found: tuple[list[float], float | None] | SideError = pipe.recv()
    except EOFError:
        child.join()
        raise SideError(f"one of the processes {ended(child.exitcode)}") from None
    if isinstance(found, SideError):
        raise found
    return found


def _side(job: Job, number: int, barrier: Any, results: Connection) -> None:
    torch.set_num_threads(1)
    table, device = table_named(job.table, job.quick), torch.device(job.device)

    def epoch() -> None:
        barrier.wait()
        training.epoch()

    try:
        group = table.group()
        training = Training(group[number % len(group)], table.data(), device)
        results.send((timed(epoch, job.rounds), peak(device)))
    except Exception as error:
        results.send(SideError(said(error), is_out_of_memory(error)))


def timed(epoch: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each epoch after a first one. It ends with the host reading metrics: all work is done."""
    epoch()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        epoch()
        found.append(time.perf_counter() - started)
    return found


def peak(device: torch.device) -> float | None:
    """Most memory that this process's tensors took, in MiB; nothing where torch does not count it."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None


def figures(job: Job, seconds: Sequence[float], memory: float | None) -> dict[str, Any]:
    """What epochs tell: ``per_hour``, whole trials an hour: the median, the least and the most.

    Args:
        job: What was trained.
        seconds: Of each epoch.
        memory: In MiB.
    """
    table = table_named(job.table, job.quick)
    whole = EPOCHS * table.whole / table.part
    middle, slowest, fastest = (
        3600 * job.at_once / (whole * of(seconds)) for of in (statistics.median, max, min)
    )
    return {"seconds": list(seconds), "per_hour": [middle, slowest, fastest], "peak_mib": memory}
