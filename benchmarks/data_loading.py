"""How long data take to load, cold and cached, and what another trial on the node costs in memory.

Each number comes from a fresh process: cold ones find an empty cache (though the raw files may be in the
page cache), cached ones what a cold one left. Times are median and range of what a trial waits for, checksum
included. "Own memory" is what a process dirties for itself by loading a dataset and reading all of it; the
mapped pages are shared with every other process.

Usage: python -m benchmarks.data_loading --data DIR [--vectors FILE] [--repeat N] [WORKLOAD ...]
"""

import argparse
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dropattack import UsageError
from trainables.data.splits import ImageSplit, TextSplit
from trainables.workloads import workload_named

_WORKLOADS = (
    "digits-lenet5",
    "mnist-lenet5",
    "fashion-lenet5",
    "cifar10-vgg16",
    "imdb-lstm",
    "pheme-bilstm",
    "agnews-bigru",
)
_BATCH = 128


def own_memory() -> float:
    """Memory that only this process has, in MB, by the kernel's account."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) / 1e3
    raise RuntimeError("the kernel tells no Private_Dirty")


def measure(name: str, root: Path, options: dict[str, Any], cache: str, results: Any) -> None:
    """Loads a workload's data in this process and reports seconds, memory and padding."""
    os.environ["DROPATTACK_CACHE"] = cache
    torch.set_num_threads(1)
    workload = workload_named(name)
    before = own_memory()
    started, computed = time.perf_counter(), time.process_time()
    try:
        data = workload.load(root, options)
    except UsageError as error:
        results.put({"error": str(error)})
        return
    seconds, cpu = time.perf_counter() - started, time.process_time() - computed
    for split in (data.train, data.valid, data.test):
        if isinstance(split, TextSplit):
            split.tokens.sum()
        elif isinstance(split, ImageSplit):
            split.images.sum()
    found = {"seconds": seconds, "cpu": cpu, "memory": own_memory() - before, **data.facts}
    if isinstance(data.train, TextSplit):
        found["padding"] = data.train.padded_share(_BATCH, torch.Generator().manual_seed(0))
    results.put(found)


def in_a_process(*arguments: Any) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=measure, args=(*arguments, results))
    process.start()
    found: dict[str, float] = results.get()
    process.join()
    return found


def spread(values: Sequence[float], unit: float, digits: int) -> str:
    low, middle, high = (value * unit for value in (min(values), statistics.median(values), max(values)))
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def row(name: str, root: Path, vectors: str, repeat: int) -> str:
    is_text = "vectors" in workload_named(name).data_settings().to_dict()
    options = {"vectors": vectors} if is_text else {}
    cold, cached = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as cache:
            first = in_a_process(name, root, options, cache)
            if "error" in first:
                return f"| {name} | {first['error']} |"
            cold.append(first)
            cached.append(in_a_process(name, root, options, cache))
            size = sum(path.stat().st_size for path in Path(cache).glob("*.pt")) / 1e6
    times = (
        spread([found["seconds"] for found in cold], 1, 1),
        spread([found["cpu"] for found in cold], 1, 1),
        spread([found["seconds"] for found in cached], 1e3, 1),
    )
    last = cached[-1]
    shares = [f"{100 * last[key]:.1f}" if key in last else "-" for key in ("padding", "without_vector_share")]
    return f"| {name} | {' | '.join(times)} | {size:.0f} | {last['memory']:.1f} | {' | '.join(shares)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", default=_WORKLOADS)
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--vectors", default="glove.6B.300d.txt", help="word vectors below DIR/glove")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, n = {given.repeat}\n")
    print(
        "| workload | cold, s | CPU, s | cached, ms | disk, MB | own memory, MB | padding, % | no vector, % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in given.workloads:
        print(row(name, given.data, given.vectors, given.repeat), flush=True)


if __name__ == "__main__":
    main()
