"""What is measured, the most telling first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import dropattack

STEP, EQUAL = "step", "equal"
"""One method's step against float64 on the CPU; lanes against the same trials alone."""
ALONE, PROCESSES, LANES, COMPILED = "alone", "processes", "lanes", "compiled"
"""Epochs of one trial; of trials in a process each; of one stack; of one trial with compiled passes."""
RIGHT = (STEP, EQUAL)
SHRINKING = (PROCESSES, LANES)
"""What is tried again with half as many trials where they do not fit into memory."""


@dataclass(frozen=True)
class Job:
    """One row to be.

    Attributes:
        measure: What is measured.
        table: Name of what is trained.
        method: Whose step it is.
        at_once: Trials that are trained together.
        device: Where.
        quick: Whether the table is its small form.
        rounds: Epochs that are measured.
    """

    measure: str
    table: str
    method: str = ""
    at_once: int = 1
    device: str = "cuda"
    quick: bool = False
    rounds: int = 3

    def halved(self) -> "Job | None":
        """The same with half as many trials; nothing where there is one or that would not help."""
        if self.measure not in SHRINKING or self.at_once < 2:
            return None
        return replace(self, at_once=self.at_once // 2)


def jobs(device: str, quick: bool, rounds: int) -> Iterator[Job]:
    """Every row, in the order of what it tells."""
    job = partial(Job, device=device, quick=quick, rounds=rounds)
    for table in ("grid", "table10"):
        for method in sorted(dropattack.registered()):
            yield job(STEP, table, method=method)
        yield job(EQUAL, table, at_once=2 if quick else 5)
    sizes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    sizes = {"grid": ((4, 8), (5, 49, 245)), "table10": ((4,), (5, 20, 49)), "table8": ((8,), (40,))}
    if quick:
        sizes = {"grid": ((2,), (2,)), "table10": ((), (2,))}
    for table, (processes, lanes) in sizes.items():
        yield job(ALONE, table)
        for count in processes:
            yield job(PROCESSES, table, at_once=count)
        for count in lanes:
            yield job(LANES, table, at_once=count)
        if table != "table8":
            yield job(COMPILED, table)
