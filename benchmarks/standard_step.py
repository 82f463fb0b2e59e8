"""An epoch of standard training here beside the loop that one would write by hand.

    python -m benchmarks.standard_step [--rounds 15]

LeNet-5 trains on 2,560 MNIST-sized images in batches of 128, with data resident, no logging, on one thread.
Both loops take turns, and ratios are taken within a turn. The bare loop runs with torch's default optimizer,
and once more with the fused one.
"""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks.rows import Row, main, median, spread
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.models.lenet5 import LeNet5
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings

IMAGES, BATCH = 2560, 128


def bare_loop(images: torch.Tensor, labels: torch.Tensor, fused: bool) -> Callable[[], None]:
    """Training by hand: shuffle, forward, backward, step."""
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

    def epoch() -> None:
        model.train()
        for rows in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()

    return epoch


def our_epoch(images: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """The training part of an epoch of `Training`."""
    train, few = ImageSplit(images, labels), ImageSplit(images[:10], labels[:10])
    settings = TrainingSettings(epochs=1, batch_size=BATCH)
    trial = Trial.make("mnist-lenet5", "standard", {}, settings, 0, "benchmark")
    training = Training(trial, Data(train, few, few, 10, "benchmark"))
    return training._train


def measure(rounds: int) -> list[Row]:
    """Times all three in turns."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images, labels = torch.rand(IMAGES, 1, 28, 28), torch.arange(IMAGES) % 10
    things: dict[str, Callable[[], object]] = {
        "ours": our_epoch(images, labels),
        "bare": bare_loop(images, labels, fused=False),
        "fused": bare_loop(images, labels, fused=True),
    }
    times: dict[str, list[float]] = {name: [] for name in things}
    for number in range(rounds + 1):
        for name, thing in things.items():
            started = time.process_time()
            thing()
            if number:
                times[name].append(time.process_time() - started)
    ratios = [ours / bare for ours, bare in zip(times["ours"], times["bare"], strict=True)]
    fused = [ours / bare for ours, bare in zip(times["ours"], times["fused"], strict=True)]
    return [
        Row(
            "standard step ÷ a bare loop's",
            "≤ 1.00",
            spread(ratios),
            rounds,
            median(ratios) <= 1.00,
            f"beside a bare loop with the fused optimizer {spread(fused)}",
        )
    ]


if __name__ == "__main__":
    main(measure, str(__doc__), rounds=15)
