"""What one GPU does with this project's trials: are its numbers right, and how many it trains an hour.

First each method's step is compared with float64 on the CPU, and lanes with the same trials alone. Then
epochs are timed: of one trial at a time, of several in a process each, of lanes, and of one with compiled
passes, each with its peak memory. Everything is measured in a process of its own, which may die or hang.
A row is printed, and added to a file, as soon as it is known. Needs torch and this repository; data are
synthetic, of the sizes of MNIST and IMDB.

    python -m benchmarks.gpu --minutes 9 --output gpu.jsonl
    python -m benchmarks.gpu --device cpu --quick
    python -m benchmarks.gpu --markdown gpu.jsonl
"""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from benchmarks.gpu.children import WORKER
from benchmarks.gpu.jobs import RIGHT, Job, jobs
from benchmarks.gpu.markdown import document
from benchmarks.gpu.rows import OK, append, read
from benchmarks.gpu.session import Session


def head(device: str) -> dict[str, str]:
    """What a run was made on."""
    cuda = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else platform.machine(),
        "cores": f"{os.cpu_count()} CPU cores",
        "python": f"Python {platform.python_version()}",
        "torch": f"torch {torch.__version__}",
        "began": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def run(plan: Iterable[Job], session: Session, output: Path, about: dict[str, str]) -> bool:
    """Makes every row, prints it and keeps it.

    Returns:
        Whether every number that was to be checked was right.
    """
    append(output, about)
    print(", ".join(about.values()), flush=True)
    right = True
    for row in session.rows(plan):
        append(output, row)
        print(row.line(), flush=True)
        right &= row.state == OK or row.job.measure not in RIGHT
    return right


def main(arguments: Sequence[str] | None = None, command: Sequence[str] = WORKER) -> int:
    """The command; ``command`` starts the process that measures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda", help="cuda unless told")
    parser.add_argument("--minutes", type=float, default=9, help="when all ends; 9 unless told")
    parser.add_argument(
        "--limit", type=float, default=150, metavar="SECONDS", help="of a row; 150 unless told"
    )
    parser.add_argument("--rounds", type=int, default=3, help="epochs measured; 3 unless told")
    parser.add_argument("--quick", action="store_true", help="tiny data and few trials: does it run?")
    parser.add_argument("--output", type=Path, default=Path("gpu.jsonl"), help="file that rows are added to")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="only show such a file as tables")
    given = parser.parse_args(arguments)
    if given.markdown is not None:
        print(document(read(given.markdown.read_text(encoding="utf-8").splitlines())))
        return 0
    if torch.device(given.device).type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU; try --device cpu --quick")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # children end with it
    session = Session(given.limit, time.monotonic() + 60 * given.minutes, command=command)
    plan = jobs(given.device, given.quick, 1 if given.quick else given.rounds)
    right = run(plan, session, given.output, head(given.device))
    print("\n" + document(read(given.output.read_text(encoding="utf-8").splitlines())[-1:]))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
