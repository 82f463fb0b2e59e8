"""Time of one training step of every method, beside standard training and beside what it must cost.

The bound of a method is the bare forward-backward passes it needs, each timed with the gradients it really
requires, plus its optimizer steps, in the same run. In every round each thing is timed once, in random order,
and ratios are taken within a round, so that a machine that is busy for a while is so for both sides.

    python -m benchmarks.step_cost --rounds 30 --output docs/step-cost.md
"""

import argparse
import dataclasses
import gc
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import dropattack
from benchmarks.authors_structure import authors_step
from trainables.models.lenet5 import LeNet5, LeNet5Architecture
from trainables.models.recurrent import Recurrent, RecurrentArchitecture
from trainables.models.vgg16 import VGG16, VGG16Architecture

AUTHORS = "authors' structure"
VOCABULARY = 60_000
Times = dict[str, list[float]]


@dataclasses.dataclass
class Bench:
    """One model and batch, on which everything is timed; the optimizer's rate is 0, so nothing drifts."""

    name: str
    size: str
    model: nn.Module
    batch: dropattack.Batch
    names: dict[str, str]
    hidden: str

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.0, fused=True)
        self.text = isinstance(self.batch[0], tuple)

    @property
    def embedding(self) -> nn.Embedding:
        """The text model's embedding."""
        module = self.model.embedding
        assert isinstance(module, nn.Embedding)
        return module

    def attack(self, name: str, **hyperparameters: object) -> Callable[[], object]:
        """A step of a method."""
        generator = torch.Generator().manual_seed(0)
        task = dropattack.Task(names=self.names, generator=generator)
        method = dropattack.create(name, task=task, **hyperparameters)
        return lambda: method.step(self.model, self.batch, self.optimizer)

    def bare(self, kind: str) -> Callable[[], object]:
        """One pass; ``weights``, ``weights+input``, ``input`` or ``matrix`` is what it differentiates by."""
        return lambda: self._bare(kind)

    def _bare(self, kind: str) -> None:
        inputs, labels = self.batch
        self.optimizer.zero_grad(set_to_none=True)
        seen: list[Tensor] = []
        handle = None
        if "input" in kind and self.text:
            handle = self.embedding.register_forward_hook(lambda _, __, vectors: seen.append(vectors))
        elif "input" in kind:
            assert isinstance(inputs, Tensor)
            inputs = inputs.detach().requires_grad_()
            seen.append(inputs)
        outputs = self.model(*inputs) if isinstance(inputs, tuple) else self.model(inputs)
        loss = F.cross_entropy(outputs, labels)
        if kind == "input":
            torch.autograd.grad(loss, seen)
        elif kind == "matrix":
            torch.autograd.grad(loss, [self.embedding.weight])
        else:
            loss.backward()
        if handle is not None:
            handle.remove()


def images(count: int, channels: int, side: int) -> dropattack.Batch:
    return torch.rand(count, channels, side, side), torch.arange(count) % 10


def texts(count: int, length: int, classes: int) -> dropattack.Batch:
    """Token ids as frequent as Zipf's law has them, which decides how many distinct rows a batch looks up."""
    weights = 1 / torch.arange(1, VOCABULARY, dtype=torch.float64)
    ids = torch.multinomial(weights, count * length, replacement=True).view(count, length) + 1
    lengths = torch.linspace(length, length // 2, count).long()
    padded = ids.masked_fill(torch.arange(length) >= lengths[:, None], 0)
    return (padded, lengths), torch.arange(count) % classes


def benches(wanted: Iterable[str]) -> list[Bench]:
    """The papers' models; batches and lengths are what a CPU can repeat often."""
    gru = RecurrentArchitecture(cell="gru", layers=2, bidirectional=True)
    lstm = RecurrentArchitecture()
    made: dict[str, Callable[[], Bench]] = {
        "lenet5": lambda: Bench(
            "LeNet-5",
            "batch 128 of 28×28",
            LeNet5(),
            images(128, 1, 28),
            dict(LeNet5Architecture().targets),
            "conv1.w",
        ),
        "vgg16": lambda: Bench(
            "VGG-16",
            "batch 16 of 32×32",
            VGG16(),
            images(16, 3, 32),
            dict(VGG16Architecture().targets),
            "conv1.w",
        ),
        "lstm": lambda: Bench(
            "LSTM",
            "batch 16, length 48, vocabulary 60,000",
            Recurrent(nn.Embedding(VOCABULARY, 300), 2, lstm),
            texts(16, 48, 2),
            dict(lstm.targets),
            "lstm.ih.w",
        ),
        "bigru": lambda: Bench(
            "BiGRU, 2 layers",
            "batch 8, length 32, vocabulary 60,000",
            Recurrent(nn.Embedding(VOCABULARY, 300), 4, gru),
            texts(8, 32, 4),
            dict(gru.targets),
            "gru.ih.w",
        ),
    }
    return [made[name]() for name in wanted]


def contenders(bench: Bench) -> dict[str, tuple[Callable[[], object], list[str]]]:
    """Every method with the bare passes and optimizer steps that it cannot do without."""
    two = {"targets": f"input+{bench.hidden}"}
    both, inner = ("weights", "matrix") if bench.text else ("weights+input", "input")
    plain, update = ["weights"], ["optimizer"]
    tokens = ["weights+input"]
    needed = {
        "standard": plain,
        "l1": plain,
        "l2": plain,
        "dropout": plain,
        "rwp": plain,
        "fgsm": [both, *plain],
        "fgm": [both, *plain],
        "pgd": [both, inner, inner, *plain],
        "freelb": [*tokens * 2, *plain],
        "sam": plain * 2,
        "asam": plain * 2,
        "esam-swp": plain * 2,
        "awp": [*["input"] * 3, *plain * 2],
    }
    found = {name: (bench.attack(name), [*passes, *update]) for name, passes in needed.items()}
    found["freeat"] = bench.attack("freeat"), [*tokens * 3, *update * 3]
    found["dropattack"] = bench.attack("dropattack", **two), [both, *plain * 2, *update]
    found["dropattack, K = 3"] = (
        bench.attack("dropattack", k=3, **two),
        [both, *[both] * 2, *plain * 4, *update],
    )
    missing = set(dropattack.methods()) - set(found)
    assert not missing, f"no bound for {sorted(missing)}"
    parameter = bench.model.get_parameter(bench.names[bench.hidden])
    step = authors_step(bench.model, bench.batch, bench.optimizer, parameter, epsilon=5.0, p=0.5, k=1)
    found[AUTHORS] = step, found["dropattack"][1]
    return found


def measure(bench: Bench, rounds: int, only: set[str]) -> tuple[Times, dict[str, list[str]]]:
    """Seconds by name for each round, and the parts of each method's bound."""
    found = {name: parts for name, parts in contenders(bench).items() if not only or name in only}
    things: dict[str, Callable[[], object]] = {name: step for name, (step, _) in found.items()}
    for kind in {part for _, parts in found.values() for part in parts} - {"optimizer"}:
        things[kind] = bench.bare(kind)
    bench.bare("weights")()
    gradients = [parameter.grad for parameter in bench.model.parameters()]

    def update() -> None:
        bench.optimizer.step()

    things["optimizer"] = update
    times: Times = {name: [] for name in things}
    order = list(things)
    gc.collect()
    gc.disable()
    for number in range(rounds + 2):
        random.shuffle(order)
        for name in order:
            if name == "optimizer":
                for parameter, gradient in zip(bench.model.parameters(), gradients, strict=True):
                    parameter.grad = gradient
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


def table(bench: Bench, times: Times, parts: dict[str, list[str]]) -> str:
    lines = [
        f"## {bench.name}: {bench.size}, n = {len(times['standard'])}",
        "",
        "| method | step, ms | ÷ standard step | bound, ms | ÷ bound |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in sorted(parts, key=lambda name: statistics.median(times[name])):
        bound = [sum(round_) for round_ in zip(*(times[part] for part in parts[name]), strict=True)]
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


HEADER = """# What a training step costs

Measured by `python -m benchmarks.step_cost`, in n rounds after two for warming up. In each round every
method, every bare pass and the optimizer are timed once, in random order. Ratios are taken within a round:
the median of the rounds, and in brackets the quartiles.

- Machine: {machine}, no GPU, shared with other work; Python {python}, torch {torch}. Times are the process's
  CPU time on {threads} thread(s), which other work disturbs least; the allocator keeps freed memory.
- Models have the papers' sizes; batches and lengths are smaller where a CPU needs it, and stand in each
  heading. Float32, Adam, cross entropy. Text is drawn with word frequencies as in Zipf's law.
- *Bound*: the bare forward-backward passes that the method needs, each timed with the gradients it really
  requires (those of the weights; those and the input's; or the input's alone), plus its optimizer steps.
- DropAttack attacks the input and one hidden weight (`conv1.w`, `lstm.ih.w`, `gru.ih.w`), T = 2, and K = 1
  unless said; PGD, FreeAT, FreeLB and AWP have K = m = 3.
- *Authors' structure*: DropAttack with T = 2, K = 1 the way its authors' notebooks go about it, written anew:
  all graphs kept and propagated back twice, masks drawn by numpy over the whole embedding matrix.
- L1, SAM, ASAM, ESAM, RWP and AWP also do something to every weight, such as copying it or drawing a random
  number for it. That is not in the bound, and does not grow with the batch: it shows on VGG-16, whose 34
  million weights meet a batch here that is an eighth of the papers' or less.

"""


def hardware() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


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
    names = ["lenet5", "vgg16", "lstm", "bigru"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--methods", nargs="+", default=[], help="only these, standard and dropattack")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
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
    for bench in benches(arguments.models):
        section = table(bench, *measure(bench, arguments.rounds, only))
        print(section, flush=True)
        text += section + "\n"
        del bench
    if arguments.output:
        arguments.output.write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
