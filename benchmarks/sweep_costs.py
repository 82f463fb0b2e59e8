"""What every bundled sweep costs on two cores, before it runs: writes docs/reference/costs.md.

    python -m benchmarks.sweep_costs [--output docs/reference/costs.md] [--seconds 15] [--only SWEEP ...]

A probe trains a few steps of every workload on synthetic data that have the published sizes, as
`dropattack plan SWEEP --probe` does on real ones. What was measured is kept as JSON beside the scripts.
"""

import argparse
import json
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.rows import hardware
from search.console.planned import hours
from search.console.status import duration
from search.definition.searches import Grid
from search.definition.source import bundled_sweeps
from search.definition.sweep import Sweep
from search.definition.sweepfile import load_sweep
from search.engine.costs.estimate import Estimate, Estimator
from search.engine.costs.portions import Portion, of_search, of_trials
from search.engine.proposers import Scope, grid_trials, proposer_for
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit, TextSplit
from trainables.workloads import workload_named

CORES = 2
MEASURED = Path("benchmarks/measured/sweep_costs.json")
TOOK = {
    "demo": "60 s on two cores ([how fast it is](performance.md))",
    "mnist-layers": "34 min on two slow cores, where the estimate was 27",
    "dropen-table2": "2.7 h [in small](../reproductions.md#on-cifar-10), busy cores; estimated 2.1 h",
    "figure2": "2.5 h for two seeds of 2,500 reviews on two busy cores; estimated 1.8 h",
    "table3": "2.5 h for two seeds and sizes to 2,500 on two busy cores; estimates were 85 min and 1.7 h",
    "table8": "435 s as lanes on one H100, beside other sweeps ([run again](../reproductions.md))",
}
"""What sweeps took that were really run, where it is known."""
IMAGES: Mapping[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "mnist": ((50_000, 10_000, 10_000), (1, 28, 28)),
    "fashion": ((50_000, 10_000, 10_000), (1, 28, 28)),
    "cifar10": ((40_000, 10_000, 10_000), (3, 32, 32)),
}
"""Examples of each split, and the shape of each."""
TEXTS: Mapping[str, tuple[tuple[int, int, int], int, int, int, int]] = {
    "imdb": ((40_000, 5_000, 5_000), 256, 230, 110_000, 2),
    "agnews": ((110_000, 10_000, 7_600), 128, 43, 70_000, 4),
    "pheme": ((5_145, 643, 637), 40, 20, 14_000, 2),
}
"""Examples of each split, the longest text, its mean length, words, classes."""
HEADER = """# What the sweeps cost

The table has an estimate for every bundled sweep before it runs: on {cores} cores, and on one GPU. For a
sweep of your own, and for your machine, `dropattack plan SWEEP --probe` prints the same estimate.

| column | holds |
|---|---|
| trials | trainings of the sweep, all stages |
| core-hours | CPU time of all trials, on one thread each |
| time | the same on {cores} cores that do nothing else |
| one GPU | time on the card that was measured with these models, one trial at a time |
| `--scale quick` | the same for the sweep's small version; a dash where it has none |
| took | what the sweep took when it ran |

An estimate comes from a probe: it trains a few steps of each method and evaluates a few examples. Its CPU
time is multiplied up by passes, examples, validations, tests and attacks. Other work on the machine makes
the estimate larger. A sampler is assumed to draw evenly. ASHA is assumed to stop as many trials as it would
if trials differed only by chance. On a GPU, [lanes](../how-to/lanes.md) of small models take a fraction of
the time shown.

`python -m benchmarks.sweep_costs` wrote this page on {machine}, Python {python}, torch {torch}, with data
of the published sizes. `evidence-mnist` and `evidence-fashion` had 30 epochs then, `evidence-pheme` 20. Now
all three have 24.

| sweep | trials | core-hours | time | one GPU | `--scale quick`: core-hours | time | took |
|---|---:|---:|---:|---:|---:|---:|---|
"""

FOOTER = """
## How good the estimates are

| sweep | estimated | it took |
|---|---|---|
| `demo` on two quiet cores | 58 s, by a probe on busy cores | 60 s |
| `demo` on busy cores | 75 s of CPU time, 609 passes | 113 s of CPU time, 763 passes |
| `digits-late --set seeds=[0,1]` on busy cores | 51 s of CPU time | 45 s of CPU time |
| `table6`, vectors of 50 numbers, busy cores | 2.9 core-hours | 3.2, from 2.4 for 686 of 900 passes |

The demo trained 1.25 times the expected passes. Its sampler learns instead of drawing evenly, and its
winner costs more than a mean configuration. Busy cores share their caches, so CPU time grows on them too.
"""


@cache
def data(workload: str, vectors: str) -> Data:
    """Synthetic data in the sizes of a workload's dataset; the digits are the real ones."""
    found = workload_named(workload)
    name = found.dataset.name
    generator = torch.Generator().manual_seed(0)
    if name in IMAGES:
        sizes, shape = IMAGES[name]
        images = [torch.randint(256, (n, *shape), generator=generator, dtype=torch.uint8) for n in sizes]
        train, valid, test = (ImageSplit(each, torch.arange(len(each)) % 10) for each in images)
        return Data(train, valid, test, 10, "benchmark")
    if name not in TEXTS:
        return found.load(Path("data"), {})
    sizes, longest, mean, words, classes = TEXTS[name]
    frequent = torch.arange(2, words).double().reciprocal().cumsum(0)

    def split(count: int) -> TextSplit:
        draws = torch.rand(count * longest, generator=generator, dtype=torch.float64) * frequent[-1]
        tokens = torch.searchsorted(frequent, draws).add_(2).view(count, longest).int()
        lengths = (torch.randn(count, generator=generator) * mean / 3 + mean).long().clamp(1, longest)
        padded = tokens.masked_fill(torch.arange(longest) >= lengths[:, None], 1)
        return TextSplit(padded, lengths, torch.arange(count) % classes)

    known = torch.arange(2, words // 2) if vectors else None
    rows = torch.randn(words // 2 - 2, 300, generator=generator) if vectors else None
    extras = {"vocabulary_size": words, "words": torch.zeros(0), "known": known, "vectors": rows}
    training, validation, testing = map(split, sizes)
    return Data(training, validation, testing, classes, "benchmark", extras=extras)


def load(workload: str, options: Mapping[str, Any]) -> Data:
    return data(workload, str(options.get("vectors", "")))


def portions(sweep: Sweep) -> tuple[int, list[Portion]]:
    """How many trials a sweep has, and what they do."""
    total, found = 0, []
    trained: set[str] = set()
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            scope = Scope(sweep, stage, workload, lambda name, options: "benchmark")
            many = proposer_for(scope).total
            total += many
            if isinstance(stage.search, Grid):
                new = {t.key: t for t in grid_trials(scope) if t.key not in trained}
                trained.update(new)
                found += of_trials(new.values())
            else:
                found += of_search(scope, many)
    return total, found


def costs(names: Iterable[str], seconds: float) -> dict[str, dict[str, Any]]:
    """By sweep and scale: trials, and the estimate."""
    wanted = [(name, scale) for name in names for scale in ("", *load_sweep(name).scales)]
    planned = {
        pair: portions(load_sweep(pair[0], {"resources.concurrent": CORES}, pair[1])) for pair in wanted
    }
    resources = load_sweep("demo", {"resources.concurrent": CORES}).resources
    estimator = Estimator(resources, (), load, True, seconds)
    estimator.seconds([portion for _, each in planned.values() for portion in each])
    found: dict[str, dict[str, Any]] = {}
    for (name, scale), (trials, each) in planned.items():
        plain = {"trials": trials, **estimator.estimate(each).to_dict()}
        found.setdefault(name, {})[scale] = plain
    return found


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    text = HEADER.format(
        machine=hardware(), python=platform.python_version(), torch=torch.__version__, cores=CORES
    )
    for name, scales in sorted(found.items()):
        trials = scales[""]["trials"]
        whole, quick = (_estimate(scales[s]) if s in scales else None for s in ("", "quick"))
        assert whole is not None
        gpu = "unknown" if whole.gpu_seconds is None else f"{duration(whole.gpu_seconds)} ({whole.gpu})"
        cells = [f"`{name}`", f"{trials:,}", *_cells(whole), gpu, *_cells(quick), TOOK.get(name, "")]
        text += f"| {' | '.join(cells)} |\n"
    missing = ", ".join(f"`{name}`" for name in bundled_sweeps() if name not in found)
    return text + (f"\nNot measured yet: {missing}.\n" if missing else "") + FOOTER


def _estimate(plain: Mapping[str, Any]) -> Estimate:
    return Estimate(**{name: value for name, value in plain.items() if name != "trials"})


def _cells(estimate: Estimate | None) -> list[str]:
    if estimate is None or estimate.core_hours is None or estimate.here is None:
        return ["–", "–"]
    return [hours(estimate.core_hours), duration(estimate.here)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("docs/reference/costs.md"))
    parser.add_argument("--seconds", type=float, default=15.0, help="of each probe; 15 unless told")
    parser.add_argument("--only", nargs="+", choices=bundled_sweeps(), default=bundled_sweeps())
    options = parser.parse_args()
    before = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    found = {**before, **costs(options.only, options.seconds)}
    MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    options.output.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
