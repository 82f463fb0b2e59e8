"""Rows as they are known: what each says, and the file of JSON lines that keeps them."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.jobs import COMPILED, EQUAL, LANES, PROCESSES, RIGHT, STEP, Job

OK, WRONG, FAILED, FULL, DIED, HUNG, UNTRIED = (
    "ok",
    "wrong",
    "failed",
    "out of memory",
    "died",
    "no answer",
    "no time left",
)


@dataclass(frozen=True)
class Row:
    """What became of one job.

    Attributes:
        job: What was to be measured.
        state: ``ok``, or why there is no result.
        said: What the error said, or how the process ended.
        figures: What was measured.
        wall: Seconds that it took, with the start of a process.
    """

    job: Job
    state: str
    said: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    wall: float = 0.0

    @property
    def name(self) -> str:
        """What was measured, for people."""
        job = self.job
        together = {PROCESSES: f"{job.at_once} processes", LANES: f"{job.at_once} lanes"}
        kinds = {STEP: job.method, EQUAL: f"{job.at_once} lanes and alone", COMPILED: "one, compiled"}
        return (together | kinds).get(job.measure, "one at a time")

    @property
    def result(self) -> str:
        """What came of it, in a few words."""
        if self.state not in (OK, WRONG):
            return f"{self.state}: {self.said}" if self.said else self.state
        found = self.figures
        if self.job.measure not in RIGHT:
            return per_hour(self)
        sign = "≤" if self.state == OK else "> the bound of"
        return f"error {found['error']:.0e} {sign} {found['bound']:.0e}"

    def line(self) -> str:
        """For the terminal."""
        memory = self.figures.get("peak_mib")
        rest = f", {memory:,.0f} MiB" if memory is not None else ""
        return f"{self.job.table} {self.name}: {self.result}{rest} [{self.wall:.0f} s]"


def per_hour(row: Row) -> str:
    """Trials an hour, the median and in brackets the range."""
    middle, low, high = row.figures["per_hour"]
    return f"{middle:,.0f} ({low:,.0f}–{high:,.0f}) trials/h"


def append(path: Path, entry: Row | Mapping[str, str]) -> None:
    """Adds a row, or the head of a run, to a file of JSON lines, and waits until it is on the disk."""
    told = {"row": asdict(entry)} if isinstance(entry, Row) else {"run": dict(entry)}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(told, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(lines: Iterable[str]) -> list[tuple[Mapping[str, str], list[Row]]]:
    """The runs of a file, each with its rows; a last line that is torn is left out."""
    runs: list[tuple[Mapping[str, str], list[Row]]] = []
    for line in lines:
        try:
            told = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "run" in told:
            runs.append((told["run"], []))
        else:
            if not runs:
                runs.append(({}, []))
            runs[-1][1].append(Row(**{**told["row"], "job": Job(**told["row"]["job"])}))
    return runs
