"""What the service itself costs: a sweep of trials that train next to nothing, through Ray and MLflow.

    python -m benchmarks.many_trials [--trials 2000]

A trial is one epoch of one step of a linear model on ten numbers. The row has the time of the whole command,
the time per result in the first and in the last quarter of the sweep, which should be the same, the largest
memory of the driver, and the size of everything that it wrote.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn
from typing_extensions import override

from benchmarks.rows import Row, main
from dropattack import Settings
from search.definition.sweepfile import parse_sweep
from search.records.store import Store
from trainables.architecture import Architecture
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import ImageSplit
from trainables.workloads import TrainingSettings, Workload

ROOT = Path(__file__).parents[1]


class Nothing(Dataset):
    """Ten numbers."""

    name = "nothing"

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """The same for everyone."""
        return "nothing"

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        """All splits are the same."""
        split = ImageSplit(torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1), torch.arange(10) % 2)
        return Data(split, split, split, 2, "nothing")


class Linear(nn.Module):
    """One weight for each class."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 2)

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Maps ``[batch, 1, 1, 1]`` to ``[batch, 2]``."""
        logits: Tensor = self.fc(images.flatten(1))
        return logits


@dataclass(frozen=True, kw_only=True)
class LinearArchitecture(Architecture):
    """No sizes."""

    @override
    def build(self, data: Data) -> nn.Module:
        """See `Architecture.build`."""
        return Linear()

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        """See `Architecture.targets`."""
        return {"fc.w": "fc.weight"}


def workload() -> Workload:
    """A training of next to nothing."""
    training = TrainingSettings(epochs=1)
    return Workload("nothing", "Nothing.", Nothing(), LinearArchitecture(), training=training)


def memory(process: int) -> float:
    """Resident memory of a process in MB; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS:")), 0.0)


def measure(trials: int) -> list[Row]:
    """Runs the sweep and watches its driver."""
    space = {"epsilon": {"low": 0.01, "high": 10, "log": True}, "targets": "fc.w"}
    search = {"kind": "random", "trials": trials}
    definition = {
        "name": "many",
        "workload": "benchmarks.many_trials:workload",
        "stages": [{"name": "search", "search": search, "methods": {"dropattack": space}}],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sweep.yaml").write_text(yaml.safe_dump(definition), encoding="utf-8")
        command = ["-m", "search", "run", str(folder / "sweep.yaml"), "--store", str(folder / "runs")]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        started = time.perf_counter()
        with (folder / "log").open("w") as log:
            driver = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log, env=environment)
            peak = 0.0
            while driver.poll() is None:
                peak = max(peak, memory(driver.pid))
                time.sleep(0.5)
        wall = time.perf_counter() - started
        if driver.returncode != 0:
            raise RuntimeError((folder / "log").read_text(encoding="utf-8")[-2000:])
        records = Store(folder / "runs").journal(parse_sweep(definition)).records
        written = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
        printed = (folder / "log").stat().st_size / 1e3
    times = sorted(record.epochs[0]["recorded_at"] for record in records)
    gaps = [after - before for before, after in pairwise(times)]
    quarter = len(gaps) // 4
    first, last = statistics.mean(gaps[:quarter]), statistics.mean(gaps[-quarter:])
    return [
        Row(
            f"a sweep of {trials:,} trials that train nothing: time per result, last quarter ÷ first",
            "≤ 1.2",
            f"{last / first:.2f}",
            1,
            last <= 1.2 * first,
            f"{1e3 * first:.0f} ms and {1e3 * last:.0f} ms; whole command {wall:.0f} s; "
            f"driver {peak:.0f} MB; "
            f"{written:.0f} MB written, with models and MLflow's files; {printed:.0f} kB printed",
        )
    ]


if __name__ == "__main__":
    main(measure, str(__doc__), trials=2000)
