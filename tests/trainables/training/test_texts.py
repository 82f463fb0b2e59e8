"""Padding of texts while they are trained on and under attack; their embedding has no ``padding_idx``."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dropattack.robustness import Case
from trainables.data.dataset import Data
from trainables.data.splits import PADDING, TextSplit
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings

SETTINGS = TrainingSettings(epochs=1, batch_size=16)


def texts() -> Data:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 9, (40,), generator=generator)
    tokens = torch.randint(2, 30, (40, 8), generator=generator, dtype=torch.int32)
    split = TextSplit(
        tokens.masked_fill(torch.arange(8) >= lengths[:, None], PADDING), lengths, torch.arange(40) % 2
    )
    extras: dict[str, Tensor | int | None] = {"vocabulary_size": 30, "vectors": None}
    return Data(split, split, split, 2, "test", extras=extras)


class Seen:
    """What was added to the vectors of words and of padding."""

    def __init__(self, reader: nn.Module, embedding: nn.Embedding) -> None:
        self.words, self.padding, self._embedding = 0.0, 0.0, embedding
        self._tokens = torch.empty(0)
        embedding.register_forward_pre_hook(self._look_up)
        reader.register_forward_pre_hook(self._read)

    def _look_up(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        self._tokens = args[0]

    def _read(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        added = (args[0] - self._embedding.weight[self._tokens]).abs().amax(2).detach()
        self.words = max(self.words, added[self._tokens != PADDING].max().item())
        self.padding = max(self.padding, added[self._tokens == PADDING].sum().item())


def followed(method: str, hyperparameters: dict[str, Any]) -> tuple[Training, Seen]:
    sizes = {"embedding_size": 4, "hidden": 3}
    one = Trial.make("imdb-lstm", method, hyperparameters, SETTINGS, 0, "test", model=sizes)
    training = Training(one, texts())
    model = training.model
    assert isinstance(model.rnn, nn.Module)
    assert isinstance(model.embedding, nn.Embedding)
    assert model.embedding.padding_idx is None
    return training, Seen(model.rnn, model.embedding)


@pytest.mark.parametrize(
    ("method", "hyperparameters"),
    [
        ("freelb", {"magnitude": 0.5}),
        ("dropattack", {"text_input": "tokens", "control": "random-direction"}),
        ("freeat", {}),
    ],
)
def test_no_method_attacks_padding(method: str, hyperparameters: dict[str, Any]) -> None:
    training, seen = followed(method, hyperparameters)
    training.epoch()
    assert seen.words > 1e-3
    assert seen.padding == 0


@pytest.mark.parametrize("attack", ["noise-2", "pgd-l2-2", "pgd-2"])
def test_no_attack_on_a_trained_model_attacks_padding(attack: str) -> None:
    training, seen = followed("standard", {})
    training._attacks.accuracy(training.model, training.valid, Case.parse(attack, 0.5))
    assert seen.words > 1e-3
    assert seen.padding == 0
