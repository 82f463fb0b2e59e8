"""Time to the first step and memory of two trials at once on a folder of 1 GB of images, cold and cached.

It makes the images: JPEG files whose pixels, at the size that models get, take so many bytes. Two processes
start together, as two trials of a node do; cold ones find an empty cache, cached ones what those left. "Own
memory" is what a process dirties for itself; mapped pages are shared by both.

Usage: python -m benchmarks.image_folder [--gigabytes N] [--size PIXELS] [--folder DIR]
"""

import argparse
import multiprocessing
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from benchmarks.data_loading import own_memory
from trainables import vision
from trainables.workloads import workload_named

_WORKLOAD = "images-resnet18"
_CLASSES, _BATCH, _TRIALS = 10, 32, 2


def paint(folder: Path, count: int, size: int) -> float:
    """Writes so many images of blurred noise, and gives the bytes of their files."""
    draw = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"class{number % _CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(draw.integers(0, 255, (size // 4, size // 4, 3), dtype=np.uint8))
        coarse.resize((size * 5 // 4, size), Image.Resampling.BICUBIC).save(place / f"{number:06}.jpg")
    return sum(path.stat().st_size for path in folder.rglob("*.jpg"))


def first_step(root: Path, size: int, cache: str, ready: Any) -> dict[str, float]:
    """Loads the images and takes one step, and tells how long that took from when both were ready."""
    os.environ["DROPATTACK_CACHE"] = cache
    torch.set_num_threads(1)
    workload = workload_named(_WORKLOAD)
    vision.models()  # imported here, as a trial has by then
    ready.wait()
    before, started = own_memory(), time.perf_counter()
    data = workload.load(root, {"size": size})
    loaded, held = time.perf_counter() - started, own_memory() - before
    model = workload.architecture.build(data)
    inputs, labels = next(data.train.batches(_BATCH, torch.Generator().manual_seed(0)))
    F.cross_entropy(model(inputs), labels).backward()
    step = time.perf_counter() - started
    for split in (data.train, data.valid, data.test):
        sum(int(labels[0]) for _, labels in split.batches(_BATCH))
    return {"loaded": loaded, "step": step, "held": held, "all": own_memory() - before}


def together(*arguments: Any) -> list[dict[str, float]]:
    """What each of the trials found that ran at once."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(_TRIALS) as pool:
        ready = manager.Barrier(_TRIALS)
        return pool.starmap(first_step, [(*arguments, ready)] * _TRIALS, chunksize=1)


def line(name: str, found: list[dict[str, float]]) -> str:
    columns = [" and ".join(f"{each[key]:.1f}" for each in found) for key in ("loaded", "step")]
    columns += [" and ".join(f"{each[key]:.0f}" for each in found) for key in ("held", "all")]
    return f"| {name} | {' | '.join(columns)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--folder", type=Path, help="where to put the images and the cache for a while")
    given = parser.parse_args()
    count = round(given.gigabytes * 1e9 / (3 * given.size**2))
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        files = paint(Path(place) / "images", count, given.size) / 1e6
        machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        print(f"{machine}, torch {torch.__version__}; {_TRIALS} trials at once")
        print(f"{count:,} images, {files:.0f} MB of JPEG, {given.gigabytes:g} GB at {given.size} pixels\n")
        print("| | loaded, s | first step, s | own memory then, MB | after reading all, MB |")
        print("|---|---|---|---|---|")
        for name in ("cold", "cached"):
            print(line(name, together(Path(place), given.size, f"{place}/cache")), flush=True)


if __name__ == "__main__":
    main()
