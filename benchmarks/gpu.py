"""Trials per hour on one GPU: one trial at a time, eager or compiled, several processes at once, or lanes.

Needs nothing but torch and this repository: data that are not below --data are replaced by synthetic ones of
the same sizes. Every way trains the same trials. For each group of trials that can be lanes of one stack, it
measures whole epochs, validation included, after one epoch of warming up, and sums up what the table would
take: the median, and the range that the fastest and the slowest epochs give.

    python -m benchmarks.gpu --data data --output gpu.md
    python -m benchmarks.gpu --device cpu --quick
"""

import argparse
import dataclasses
import functools
import itertools
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as multiprocessing

from dropattack import UsageError
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit, TextSplit
from trainables.lanes.loop import Lanes, stackable
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

EPSILONS, PROBABILITIES = (0.01, 0.1, 1, 3, 5, 7, 9), (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
TABLE8: list[Mapping[str, Any]] = [
    *[{"targets": targets} for targets in ("input", "conv1.w", "conv2.w", "input+conv2.w", "input+conv1.b")],
    *[{"targets": "input+conv1.w", "p": p} for p in (0.5, 0.7)],
    *[{"targets": f"{one}+conv2.w"} for one in ("conv1.b", "conv1.w", "fc1.w", "fc2.w")],
    *[{"targets": targets} for targets in ("conv1.w+fc1.w", "conv1.w+conv2.w+fc1.w")],
]
Seconds = list[float]
Way = Callable[[Sequence[Trial], Data, torch.device, int], tuple[Seconds, int]]
"""Measures an epoch of some trials so many times; says how many of them were trained at once."""


@dataclasses.dataclass(frozen=True)
class Table:
    """What to train: the cells of one of the papers' tables.

    Attributes:
        title: For people.
        workload: Its name.
        cells: DropAttack's hyperparameters.
        lanes: Most lanes in one stack, which its memory limits.
    """

    title: str
    workload: str
    cells: Sequence[Mapping[str, Any]]
    lanes: int

    def trials(self, seeds: int, training: TrainingSettings, model: Mapping[str, Any]) -> list[Trial]:
        """Every cell with every seed."""
        return [
            Trial.make(self.workload, "dropattack", cell, training, seed, "benchmark", model=model)
            for cell, seed in itertools.product(self.cells, range(seeds))
        ]


def grid(targets: str) -> list[Mapping[str, Any]]:
    """The 49 cells of Table 10."""
    cells = itertools.product(EPSILONS, PROBABILITIES)
    return [{"targets": targets, "epsilon": epsilon, "p": p} for epsilon, p in cells]


TABLES = {
    "table8": Table("Table 8, LeNet-5 on MNIST", "mnist-lenet5", TABLE8, 245),
    "grid": Table("Table 10's grid, LeNet-5 on MNIST", "mnist-lenet5", grid("input+conv1.w"), 245),
    "table10": Table("Table 10, LSTM on IMDB", "imdb-lstm", grid("input+lstm.ih.w"), 49),
}


def synthetic(workload: str, train: int, valid: int) -> Data:
    """Data of a workload's shapes; words are as frequent as Zipf's law has them."""
    generator = torch.Generator().manual_seed(0)

    def images(count: int) -> ImageSplit:
        pixels = torch.randint(256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
        return ImageSplit(pixels, torch.arange(count) % 10)

    def texts(count: int, vocabulary: int = 60_000, longest: int = 256) -> TextSplit:
        words = torch.arange(2, vocabulary).double().reciprocal().cumsum(0)
        draws = torch.rand(count * longest, generator=generator, dtype=torch.float64) * words[-1]
        tokens = torch.searchsorted(words, draws).add_(2).view(count, longest).int()
        lengths = torch.randint(longest // 4, longest * 2, (count,), generator=generator).clamp(max=longest)
        padded = tokens.masked_fill(torch.arange(longest) >= lengths[:, None], 1)
        return TextSplit(padded, lengths, torch.arange(count) % 2)

    if "lenet5" in workload:
        return Data(images(train), images(valid), images(valid), 10, "benchmark")
    extras = {"vocabulary_size": 60_000, "words": torch.zeros(0), "known": None, "vectors": None}
    return Data(texts(train), texts(valid), texts(valid), 2, "benchmark", extras=extras)


def data_of(workload: str, root: Path, quick: bool) -> tuple[Data, str]:
    """A workload's data, or synthetic ones; and which they are."""
    if not quick:
        try:
            return workload_named(workload).load(root), "real data"
        except (UsageError, ImportError) as error:
            print(f"{workload}: synthetic data, because {error}")
    if quick:
        return synthetic(workload, 64, 32), "synthetic data"
    sizes = (50_000, 10_000) if "lenet5" in workload else (40_000, 5_000)
    return synthetic(workload, *sizes), "synthetic data"


def timed(epoch: Callable[[], object], rounds: int) -> Seconds:
    """Seconds of each of some epochs; they end with the host reading metrics, so all work is done."""
    epoch()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        epoch()
        found.append(time.perf_counter() - started)
    return found


def alone(
    trials: Sequence[Trial], data: Data, device: torch.device, rounds: int, compiled: bool = False
) -> tuple[Seconds, int]:
    """Seconds per epoch of one trial that has the device to itself, and for how many trials that is."""
    return timed(Training(trials[0], data, device, compiled).epoch, rounds), 1


def lanes(trials: Sequence[Trial], data: Data, device: torch.device, rounds: int) -> tuple[Seconds, int]:
    """Seconds per epoch of one stack."""
    return timed(Lanes.of(trials, data, device).epoch, rounds), len(trials)


def packed(trials: Sequence[Trial], data: Data, device: torch.device, rounds: int) -> tuple[Seconds, int]:
    """Seconds per epoch of trials in a process each, at the same time."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(trials)), context.SimpleQueue()
    processes = [
        context.Process(target=_in_step, args=(trial, data, device, rounds, barrier, results))
        for trial in trials
    ]
    for process in processes:
        process.start()
    times = [results.get() for _ in processes]
    for process in processes:
        process.join()
    if None in times:
        raise torch.OutOfMemoryError("too many processes")
    return [max(together) for together in zip(*times, strict=True)], len(trials)


def _in_step(trial: Trial, data: Data, device: torch.device, rounds: int, barrier: Any, results: Any) -> None:
    torch.set_num_threads(1)

    def epoch() -> None:
        barrier.wait()
        training.epoch()

    try:
        training = Training(trial, data, device)
        results.put(timed(epoch, rounds))
    except BaseException as error:
        barrier.abort()
        results.put(None)
        if not isinstance(error, torch.OutOfMemoryError | threading.BrokenBarrierError):
            raise


def row(name: str, parts: Sequence[tuple[int, Seconds, int]], epochs: int, base: float) -> tuple[str, float]:
    """A line of the table.

    Args:
        name: How the trials were run.
        parts: For each group of trials how many there are, and seconds per epoch of how many at once.
        epochs: Of a whole trial.
        base: Trials per hour of one at a time; 0 where this is that.
    """
    trials = sum(count for count, _, _ in parts)

    def per_hour(of: Callable[[Seconds], float]) -> float:
        hours = epochs * sum(count / together * of(seconds) for count, seconds, together in parts) / 3600
        return trials / hours

    middle, low, high = (per_hour(of) for of in (statistics.median, max, min))
    at_once = sorted({together for _, _, together in parts})
    sizes = str(at_once[0]) if len(at_once) == 1 else f"{at_once[0]} to {at_once[-1]}"
    cells = [name, sizes, f"{middle:,.0f} ({low:,.0f}–{high:,.0f})", f"{middle / (base or middle):.1f}"]
    return f"| {' | '.join(cells)} |", middle


def section(table: Table, given: argparse.Namespace, device: torch.device) -> str:
    """Measures one table in every way."""
    data, which = data_of(table.workload, given.data, given.quick)
    model = {"hidden": 8, "embedding_size": 8} if given.quick and "lstm" in table.workload else {}
    training = dataclasses.replace(workload_named(table.workload).training, epochs=10)
    training = dataclasses.replace(training, train_size=given.train_size, batch_size=given.batch_size)
    table = dataclasses.replace(table, cells=table.cells[1:3]) if given.quick else table
    seeds = 2 if given.quick else 5
    groups = stackable(table.trials(seeds, training, model))
    most = min(given.lanes or table.lanes, table.lanes)
    ways: dict[str, tuple[Way, int]] = {
        "one at a time": (alone, 1),
        "one at a time, compiled": (functools.partial(alone, compiled=True), 1),
        "a process each": (packed, given.processes),
        "lanes": (lanes, most),
    }
    lines = [
        f"## {table.title}: {sum(map(len, groups))} trials in {len(groups)} groups, {which}",
        "",
        f"Epochs of {given.train_size or len(data.train):,} examples in batches of {given.batch_size}; "
        f"a trial has {training.epochs}. n = {given.rounds} epochs.",
        "",
        "| how | trials at once | trials per hour | ratio |",
        "|---|---:|---:|---:|",
    ]
    base = 0.0
    for name, (way, limit) in ways.items():
        try:
            parts = [(len(group), *way(group[:limit], data, device, given.rounds)) for group in groups]
        except torch.OutOfMemoryError:
            lines.append(f"| {name} | {limit} | out of memory | |")
            continue
        line, per_hour = row(name, parts, training.epochs, base)
        base = base or per_hour
        lines.append(line)
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all by default")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3, help="epochs measured")
    parser.add_argument("--lanes", type=int, default=0, help="most lanes in one stack")
    parser.add_argument("--processes", type=int, default=8, help="processes that share the device")
    parser.add_argument("--train-size", type=int, default=0, help="examples of an epoch; 0 for all")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--quick", action="store_true", help="tiny data and few cells: does it run?")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    unknown = set(given.tables) - set(TABLES)
    if unknown:
        parser.error(f"no table {sorted(unknown)[0]!r}; there are {', '.join(TABLES)}")
    if given.quick:
        given.rounds, given.processes, given.batch_size = 1, 2, 16
    torch.set_num_threads(1)
    device = torch.device(given.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    text = (
        f"{where}, {os.cpu_count()} CPU cores, Python {platform.python_version()}, torch {torch.__version__}"
    )
    print(text)
    for name in given.tables or TABLES:
        part = section(TABLES[name], given, device)
        print(part, flush=True)
        text += f"\n\n{part}"
    if given.output:
        given.output.write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
