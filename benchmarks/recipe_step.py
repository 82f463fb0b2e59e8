"""An epoch of a full recipe here beside the loop that one would write by hand.

    python -m benchmarks.recipe_step [--rounds 7]

ResNet-20 trains on 512 CIFAR-sized images in batches of 128, with SGD, momentum, weight decay, a cosine, crop
and flip, data resident, no logging, on one thread. Both loops take turns, and ratios are taken within a turn.
"""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks.rows import Row, main, median, spread
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.models.resnet import SmallResNet
from trainables.recipe.augmentation import crop_flip
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import workload_named

IMAGES, BATCH = 512, 128


def bare_loop(images: torch.Tensor, labels: torch.Tensor, steps: int) -> Callable[[], None]:
    """Training by hand: shuffle, augment, forward, backward, step, schedule."""
    model = SmallResNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def epoch() -> None:
        model.train()
        for rows in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            batch = crop_flip(images[rows].float().div_(255))
            F.cross_entropy(model(batch), labels[rows]).backward()
            optimizer.step()
            schedule.step()

    return epoch


def our_epoch(images: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """The training part of an epoch of `Training`."""
    train, few = ImageSplit(images, labels), ImageSplit(images[:10], labels[:10])
    settings = workload_named("cifar10-resnet20").training
    trial = Trial.make("cifar10-resnet20", "standard", {}, settings, 0, "benchmark")
    training = Training(trial, Data(train, few, few, 10, "benchmark"))
    return training._train


def measure(rounds: int) -> list[Row]:
    """Times both in turns."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(IMAGES) % 10
    ours, bare = our_epoch(images, labels), bare_loop(images, labels, steps=10_000)
    ratios = []
    for number in range(rounds + 1):
        spent = []
        for thing in (ours, bare):
            started = time.process_time()
            thing()
            spent.append(time.process_time() - started)
        if number:
            ratios.append(spent[0] / spent[1])
    name = "ResNet-20's step with SGD, cosine, crop and flip ÷ a bare loop's"
    return [Row(name, "≤ 1.05", spread(ratios), rounds, median(ratios) <= 1.05)]


if __name__ == "__main__":
    main(measure, str(__doc__), rounds=7)
