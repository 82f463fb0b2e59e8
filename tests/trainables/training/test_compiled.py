"""Compiled passes against eager ones, over whole trials."""

import shutil
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from dropattack import UsageError, registered
from trainables.data.dataset import Data
from trainables.data.splits import TextSplit
from trainables.training.compiled import check_compilable
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

pytestmark = pytest.mark.heavy
SETTINGS = TrainingSettings(epochs=2, train_size=60, batch_size=25)
"""The last batch of an epoch is smaller."""


def images() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


def texts() -> Data:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(6, 12, (80,), generator=generator)
    tokens = torch.randint(2, 50, (80, 12), generator=generator, dtype=torch.int32)
    padded = tokens.masked_fill(torch.arange(12) >= lengths[:, None], 1)
    split = TextSplit(padded, lengths, torch.arange(80) % 2)
    extras: dict[str, Tensor | int | None] = {"vocabulary_size": 50, "vectors": None}
    return Data(split, split, split, 2, "test", extras=extras)


def trained(one: Trial, data: Data, compiled: bool) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    training = Training(one, data, compiled=compiled)
    metrics = [training.epoch() for _ in range(2)]
    times = ("seconds", "train_seconds")
    return training.model.state_dict(), [{n: v for n, v in m.items() if n not in times} for m in metrics]


@pytest.fixture(autouse=True)
def nothing_generated_yet() -> None:
    torch._dynamo.reset()


def compare(one: Trial, data: Data, atol: float) -> None:
    counters.clear()
    eager, compiled = (trained(one, data, compiled) for compiled in (False, True))
    assert counters["stats"]["unique_graphs"] > 0, "nothing was compiled"
    torch.testing.assert_close(compiled[0], eager[0], rtol=0, atol=atol)
    for ours, theirs in zip(compiled[1], eager[1], strict=True):
        assert ours == pytest.approx(theirs, abs=atol)


@pytest.mark.parametrize(
    ("method", "hyperparameters"),
    [
        ("dropattack", {"targets": "input+conv1.w", "k": 2, "p": 0.5}),
        ("dropout", {"rate": 0.5}),
        ("freeat", {}),
        ("sam", {}),
        ("apb", {}),
    ],
)
def test_traced_passes_of_images_are_the_eager_ones(
    monkeypatch: pytest.MonkeyPatch, method: str, hyperparameters: dict[str, Any]
) -> None:
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
    compare(Trial.make("digits-lenet5", method, hyperparameters, SETTINGS, 0, "c"), images(), atol=1e-6)


@pytest.mark.parametrize("method", ["dropattack", "freelb"])
def test_traced_passes_of_texts_see_the_attacked_embedding(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
    standard, attacked = (
        Trial.make("imdb-textcnn", name, {}, SETTINGS, 0, "c", model={"embedding_size": 8, "channels": 4})
        for name in ("standard", method)
    )
    trained(standard, texts(), compiled=True)  # leaves code that knows nothing of an attack
    compare(attacked, texts(), atol=1e-6)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_generated_code_is_the_eager_passes_up_to_rounding() -> None:
    compare(
        Trial.make("digits-lenet5", "dropattack", {"epsilon": 0.1}, SETTINGS, 0, "c"), images(), atol=1e-5
    )


def test_a_compiled_trial_goes_on_from_an_eager_checkpoint() -> None:
    one = Trial.make("digits-lenet5", "standard", {}, SETTINGS, 0, "c")
    eager, compiled = Training(one, images()), Training(one, images(), compiled=True)
    eager._train()
    compiled.load_state_dict(eager.state_dict())
    torch.testing.assert_close(compiled.model.state_dict(), eager.model.state_dict(), rtol=0, atol=0)


def test_methods_that_differentiate_gradients_are_refused() -> None:
    assert [name for name, method in registered().items() if method.second_order] == ["dropen", "dropen-pgd"]
    with pytest.raises(UsageError, match="set compile: false"):
        check_compilable("dropen")
    with pytest.raises(UsageError, match="set compile: false"):
        Training(Trial.make("digits-lenet5", "dropen", {}, SETTINGS, 0, "c"), images(), compiled=True)
