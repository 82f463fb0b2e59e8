"""The papers' models with a batch of each, on which steps are timed."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import dropattack
from trainables.models.lenet5 import LeNet5, LeNet5Architecture
from trainables.models.recurrent import Recurrent, RecurrentArchitecture
from trainables.models.vgg16 import VGG16, VGG16Architecture

VOCABULARY = 60_000
UPDATE = "optimizer"
"""The part of a bare step that is no pass."""


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

    def bare(self, parts: Sequence[str]) -> Callable[[], object]:
        """A step of nothing but its parts, one after the other, as a loop by hand would run them.

        Every pass begins without gradients, so that none pays for adding to those of an earlier one.

        Args:
            parts: ``optimizer`` is an update. Any other part is a pass, and ``weights``, ``weights+input``,
                ``input`` or ``matrix`` is what it differentiates by. ``twice`` differentiates the squared
                gradient by the input once more, by the weights; ``half twice`` does it by the input, for
                half the batch.
        """
        parameters = list(self.model.parameters())

        def step() -> None:
            updated = True
            for part in parts:
                if part == UPDATE:
                    self.optimizer.step()
                elif updated:
                    self.optimizer.zero_grad(set_to_none=True)
                else:
                    for parameter in parameters:
                        parameter.grad = None
                updated = part == UPDATE
                if not updated:
                    self._pass(part)

        return step

    def _pass(self, kind: str) -> None:
        inputs, labels = self.batch
        if kind == "half twice":
            half = slice(len(labels) // 2)
            labels = labels[half]
            inputs = tuple(t[half] for t in inputs) if isinstance(inputs, tuple) else inputs[half]
        by_input = "input" in kind or "twice" in kind
        seen: list[Tensor] = []
        handle = None
        if by_input and self.text:
            handle = self.embedding.register_forward_hook(lambda _, __, vectors: seen.append(vectors))
        elif by_input:
            assert isinstance(inputs, Tensor)
            inputs = inputs.detach().requires_grad_()
            seen.append(inputs)
        outputs = self.model(*inputs) if isinstance(inputs, tuple) else self.model(inputs)
        loss = F.cross_entropy(outputs, labels)
        if kind == "input":
            torch.autograd.grad(loss, seen)
        elif kind == "matrix":
            torch.autograd.grad(loss, [self.embedding.weight])
        elif "twice" in kind:
            (gradient,) = torch.autograd.grad(loss, seen, create_graph=True)
            size = gradient.square().sum()
            if kind == "half twice":
                torch.autograd.grad(size, seen)
            else:
                size.backward(inputs=list(self.model.parameters()))
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
            "batch 64 of 32×32",
            VGG16(),
            images(64, 3, 32),
            dict(VGG16Architecture().targets),
            "conv1.w",
        ),
        "lstm": lambda: Bench(
            "LSTM",
            "batch 32, length 200, vocabulary 60,000",
            Recurrent(nn.Embedding(VOCABULARY, 300), 2, lstm),
            texts(32, 200, 2),
            dict(lstm.targets),
            "lstm.ih.w",
        ),
        "lstm-short": lambda: Bench(
            "LSTM, short texts",
            "batch 16, length 48, vocabulary 60,000",
            Recurrent(nn.Embedding(VOCABULARY, 300), 2, lstm),
            texts(16, 48, 2),
            dict(lstm.targets),
            "lstm.ih.w",
        ),
        "bigru": lambda: Bench(
            "BiGRU, 2 layers",
            "batch 32, length 50, vocabulary 60,000",
            Recurrent(nn.Embedding(VOCABULARY, 300), 4, gru),
            texts(32, 50, 4),
            dict(gru.targets),
            "gru.ih.w",
        ),
    }
    return [made[name]() for name in wanted]
