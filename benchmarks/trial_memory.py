"""How much memory one more trial on a node takes.

    python -m benchmarks.trial_memory [--data DIR]

Sweeps of two and of eight trials at a time, and of two stacks of four lanes, run on the digits and on MNIST.
While they train, the benchmark reads the proportional share (PSS) of each process that trains, in which a
page that several processes map counts in parts. The largest share of each process counts, divided by its
lanes. For comparison, two actors of Ray only import torch. Whatever else uses torch on the machine makes the
shares smaller.
"""

import itertools
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.rows import Row, main, median, spread

DATA = Path(os.environ.get("DROPATTACK_DATA", "data"))
WAYS = ((2, 1), (8, 1), (2, 4))
"""Processes that train side by side, and the lanes of each."""
MARK = f"DROPATTACK_BENCHMARK={os.getpid()}"
os.environ["DROPATTACK_BENCHMARK"] = str(os.getpid())


def shares(folder: Path, workload: str, processes: int, lanes: int) -> list[float]:
    """The largest PSS, in MB, of each process that trained, for each of its lanes."""
    definition = {
        "name": "memory",
        "workload": workload,
        "training": {"epochs": 1},
        "seeds": list(range(processes * lanes)),
        "resources": {"cpus": 0.25, "concurrent": processes, "lanes": lanes},
        "stages": [{"name": "grid", "methods": {"dropattack": {"targets": "input+conv1.w"}}}],
    }
    path = folder / f"{workload}.yaml"
    path.write_text(yaml.safe_dump(definition), encoding="utf-8")
    command = [sys.executable, "-m", "search", "run", str(path), "--store", str(folder / workload)]
    with (folder / "log").open("w") as log:
        sweep = subprocess.Popen([*command, "--data", str(DATA)], stdout=log, stderr=log)
        largest: dict[int, float] = {}
        while sweep.poll() is None:
            for process in workers():
                largest[process] = max(largest.get(process, 0), proportional_share(process))
            time.sleep(0.2)
    if sweep.returncode != 0:
        raise RuntimeError((folder / "log").read_text(encoding="utf-8")[-2000:])
    return [share / lanes for share in largest.values()]


def workers() -> list[int]:
    """Processes of this benchmark in which a trial trains or torch is imported, by Ray's title for them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        trains = title.startswith(b"ray::") and (b"Trainable" in title or b"Importer" in title)
        if trains and MARK.encode() in environment:
            found.append(int(folder.name))
    return found


def proportional_share(process: int) -> float:
    """PSS of a process in MB; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("Pss:")), 0.0)


def bare_actors() -> list[float]:
    """PSS of two actors that import torch."""
    import ray

    class Importer:
        @ray.method
        def ready(self) -> bool:
            import torch

            return bool(torch.ones(1))

    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    remote = ray.remote(num_cpus=1)(Importer)
    actors = [remote.remote() for _ in range(2)]
    ray.get([actor.ready.remote() for actor in actors])
    found = [proportional_share(process) for process in workers()]
    ray.shutdown()
    return found


def measure(rounds: int) -> list[Row]:
    """Measures both workloads in every way, and the bare actor."""
    bare = bare_actors()
    rows = []
    for workload, (processes, lanes) in itertools.product(("digits-lenet5", "mnist-lenet5"), WAYS):
        found = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as name:
                found += shares(Path(name), workload, processes, lanes)
        rows.append(
            Row(
                f"memory of a trial, {workload}, {processes} processes of {lanes} "
                f"lane{'s' * (lanes > 1)} (PSS)",
                "≤ 300 MB",
                f"{spread(found, 0)} MB",
                len(found),
                median(found) <= 300,
                f"an actor that only imports torch: {spread(bare, 0)} MB",
            )
        )
    return rows


if __name__ == "__main__":
    main(measure, str(__doc__), rounds=1)
