"""Time of one training step of every method, beside standard training and beside what it must cost.

The bound of a method is the time of a bare step: the forward-backward passes that it needs, each with the
gradients that it requires, and its optimizer steps, one after the other. Every round times each thing once,
in random order. Ratios are taken within a round, so a machine that is busy for a while slows both sides.

    python -m benchmarks.step_cost --rounds 10 --output docs/reference/step-cost.md
"""

import argparse
import dataclasses
import gc
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import dropattack
from benchmarks.authors_structure import authors_step
from benchmarks.papers_models import UPDATE, Bench, benches
from benchmarks.rows import Row, hardware

AUTHORS = "authors' structure"
Parts = tuple[str, ...]
Times = dict[str | Parts, list[float]]


def contenders(bench: Bench) -> dict[str, tuple[Callable[[], object], Parts]]:
    """Every method with the bare passes and optimizer steps that it cannot do without."""
    two = {"targets": f"input+{bench.hidden}"}
    both, inner = ("weights", "matrix") if bench.text else ("weights+input", "input")
    plain, update = ["weights"], [UPDATE]
    tokens = ["weights+input"]
    needed = {
        "standard": plain,
        "apb": plain,
        "l1": plain,
        "l2": plain,
        "dropout": plain,
        "rwp": plain,
        "fgsm": [both, *plain],
        "fgm": [both, *plain],
        "pgd": [both, inner, inner, *plain],
        "freelb": [*tokens * 2, *plain],
        "fgsm-rs": [inner, *plain],
        "n-fgsm": [inner, *plain],
        "trades": [*plain, *["input"] * 3, *plain],
        "vat": [*plain, "input", *plain],
        "r-drop": plain * 2,
        "msam": plain,
        "sam": plain * 2,
        "asam": plain * 2,
        "esam-swp": plain * 2,
        "awp": [*["input"] * 3, *plain * 2],
        "dropen": ["twice", *["half twice"] * 6, "twice"],
        "dropen-pgd": [*["half twice"] * 6, *plain],
    }
    three = {"trades": {"k": 3}}
    found = {
        name: (bench.attack(name, **three.get(name, {})), (*passes, *update))
        for name, passes in needed.items()
    }
    found["freeat"] = bench.attack("freeat"), (*tokens, *update) * 3
    found["dropattack"] = bench.attack("dropattack", **two), (both, *plain * 2, *update)
    found["apb, h = 625"] = bench.attack("apb", h=625), (*plain, *update)
    found["dropattack, K = 3"] = (
        bench.attack("dropattack", k=3, **two),
        (both, *[both] * 2, *plain * 4, *update),
    )
    missing = set(dropattack.registered()) - set(found)
    assert not missing, f"no bound for {sorted(missing)}"
    parameter = bench.model.get_parameter(bench.names[bench.hidden])
    step = authors_step(bench.model, bench.batch, bench.optimizer, parameter, epsilon=5.0, p=0.5, k=1)
    found[AUTHORS] = step, found["dropattack"][1]
    return found


def measure(bench: Bench, rounds: int, only: set[str]) -> tuple[Times, dict[str, Parts]]:
    """Seconds of each step and of each bare one for each round, and the parts of each method's bound."""
    found = {name: parts for name, parts in contenders(bench).items() if not only or name in only}
    things: dict[str | Parts, Callable[[], object]] = {name: step for name, (step, _) in found.items()}
    things |= {parts: bench.bare(parts) for _, parts in found.values()}
    times: Times = {name: [] for name in things}
    order = list(things)
    gc.collect()
    gc.disable()
    for number in range(rounds + 2):
        random.shuffle(order)
        for name in order:
            started = time.process_time()
            things[name]()
            if number >= 2:
                times[name].append(time.process_time() - started)
    gc.enable()
    return times, {name: parts for name, (_, parts) in found.items()}


def quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def ratio(above: list[float], below: list[float]) -> str:
    low, middle, high = quartiles([a / b for a, b in zip(above, below, strict=True)])
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def table(bench: Bench, times: Times, parts: dict[str, Parts]) -> str:
    lines = [
        f"## {bench.name}: {bench.size}, n = {len(times['standard'])}",
        "",
        "| method | step, ms | ÷ standard step | bound, ms | ÷ bound |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in sorted(parts, key=lambda name: statistics.median(times[name])):
        bound = times[parts[name]]
        cells = [
            name,
            f"{1e3 * statistics.median(times[name]):.1f}",
            ratio(times[name], times["standard"]),
            f"{1e3 * statistics.median(bound):.1f}",
            ratio(times[name], bound),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    ours, theirs = times["dropattack"], times[AUTHORS]
    lines += ["", f"The authors' structure takes {ratio(theirs, ours)} times as long as `dropattack`.", ""]
    return "\n".join(lines)


def rows(bench: Bench, times: Times, parts: dict[str, Parts]) -> list[Row]:
    """The model's lines in the table of performance: methods beside their bound, the authors' structure."""
    n = len(times["standard"])
    found = {}
    for name in set(parts) - {AUTHORS}:
        bound = times[parts[name]]
        found[name] = statistics.median(t / b for t, b in zip(times[name], bound, strict=True))
    above = sorted((name for name in found if found[name] > 1.05), key=lambda name: -found[name])
    worst = max(found, key=lambda name: found[name])
    saved = statistics.median(a / b for a, b in zip(times[AUTHORS], times["dropattack"], strict=True))
    target = 2.5 if bench.text else 1.6
    return [
        Row(
            f"step ÷ bound, {bench.name}: dropattack, and the worst method",
            "≤ 1.05",
            f"{found['dropattack']:.2f}; {found[worst]:.2f} ({worst})",
            n,
            not above,
            "above: " + ", ".join(f"{name} {found[name]:.2f}" for name in above) if above else "",
        ),
        Row(
            f"the authors' structure ÷ dropattack, {bench.name}",
            f"≥ {target}",
            ratio(times[AUTHORS], times["dropattack"]),
            n,
            saved >= target,
        ),
    ]


HEADER = """# What a training step costs

Measured by `python -m benchmarks.step_cost`, in n rounds after two for warming up. In each round every
method and every bound are timed once, in random order. Ratios are taken within a round: the median of the
rounds, and in brackets the quartiles.

- Machine: {machine}, no GPU, shared with other work; Python {python}, torch {torch}. Times are the process's
  CPU time on {threads} thread(s), which other work disturbs least; the allocator keeps freed memory.
- Models have the papers' sizes; batches and lengths are smaller where a CPU needs it, and stand in each
  heading. Float32, Adam, cross entropy. Text is drawn with word frequencies as in Zipf's law.
- *Bound*: a bare step, of the forward-backward passes that the method needs, each with the gradients it
  really requires (those of the weights; those and the input's; or the input's alone), and of its optimizer
  steps. They run one after the other, as in a loop by hand: an optimizer step timed by itself, with its
  numbers still in the processor's cache, takes less than half of what it takes behind a pass.
  Each of Dropen's eight passes, six of them over half the batch, differentiates a gradient once more: its two
  penalties need that by the weights, the ascent by the input.
- DropAttack attacks the input and one hidden weight (`conv1.w`, `lstm.ih.w`, `gru.ih.w`), T = 2, and K = 1
  unless said; PGD, FreeAT, FreeLB, AWP and TRADES have K = m = 3.
- *Authors' structure*: DropAttack with T = 2, K = 1 the way its authors' notebooks go about it, written anew:
  all graphs kept and propagated back twice, masks drawn by numpy over the whole embedding matrix.
- L1, L2, SAM, MSAM, ASAM, ESAM, RWP and AWP also do something to every weight, such as copying it or drawing
  a random number for it. That is not in the bound, and does not grow with the batch, which is smaller here
  than the papers'.

"""


def keep_freed_memory() -> None:
    """Starts the program anew with an allocator that returns nothing to the system.

    Otherwise a thing that is timed pays for the page faults that an earlier one's freeing causes.
    """
    wanted = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
    if not wanted.items() <= os.environ.items():
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks.step_cost", *sys.argv[1:]], os.environ | wanted
        )


def main() -> None:
    names = ["lenet5", "lstm", "lstm-short", "bigru", "vgg16"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--methods", nargs="+", default=[], help="only these, standard and dropattack")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--json", type=Path, help="where to write the lines of the table of performance")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    random.seed(0)
    torch.set_num_threads(arguments.threads)
    only = {*arguments.methods, "standard", "dropattack", AUTHORS} if arguments.methods else set()
    text = HEADER.format(
        machine=hardware(),
        threads=arguments.threads,
        python=platform.python_version(),
        torch=torch.__version__,
    )
    found: list[Row] = []
    for bench in benches(arguments.models):
        measured = measure(bench, arguments.rounds, only)
        section = table(bench, *measured)
        print(section, flush=True)
        text += section + "\n"
        found += rows(bench, *measured)
        del bench
    if arguments.json:
        arguments.json.write_text(json.dumps([dataclasses.asdict(row) for row in found]), encoding="utf-8")
    if arguments.output:
        arguments.output.write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
