"""Splits that are redrawn for each seed: the same examples, dealt anew, in the same sizes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainables.data.dataset import Data
from trainables.data.splits import TensorSplit, TextSplit
from trainables.recipe.splitting import split_for
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

SIZES = (60, 24, 16)


def numbered(labels: Tensor) -> Data:
    """Examples that are their own numbers."""
    inputs = torch.arange(sum(SIZES)).float()[:, None]
    parts = [TensorSplit(*part) for part in zip(inputs.split(SIZES), labels.split(SIZES), strict=True)]
    return Data(*parts, classes=2, checksum="numbers")


def numbers(data: Data) -> list[list[int]]:
    return [sorted(s.inputs[:, 0].int().tolist()) for s in (data.train, data.valid, data.test)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("labels", [(torch.arange(100) % 4 == 0).long(), torch.rand(100)])
def test_all_examples_are_dealt_anew_by_the_seed(labels: Tensor) -> None:
    data = numbered(labels)
    assert split_for("fixed", 3, data) is data
    redrawn = [numbers(split_for("redrawn", seed, data)) for seed in (3, 3, 4)]
    assert redrawn[0] == redrawn[1]
    assert redrawn[0] != redrawn[2]
    for parts in redrawn:
        assert tuple(map(len, parts)) == SIZES
        assert sorted(number for part in parts for number in part) == list(range(100))
        assert parts != numbers(data)


def test_classes_keep_their_share_in_every_part() -> None:
    data = split_for("redrawn", 0, numbered((torch.arange(100) % 4 == 0).long()))
    shares = [float(part.labels.double().mean()) for part in (data.train, data.valid, data.test)]
    assert shares == pytest.approx([0.25] * 3, abs=0.03)


def test_labels_go_with_their_examples() -> None:
    data = split_for("redrawn", 1, numbered(torch.arange(100).float()))
    for part in (data.train, data.valid, data.test):
        assert torch.equal(part.labels, part.inputs[:, 0])  # type: ignore[attr-defined]


def test_texts_are_dealt_too() -> None:
    tokens = torch.arange(40, dtype=torch.int32).view(10, 4)
    whole = TextSplit(tokens, torch.full((10,), 4), torch.arange(10) % 2)
    data = Data(
        *(whole.subset(torch.arange(10)[part]) for part in (slice(6), slice(6, 8), slice(8, 10))), 2, "t"
    )
    redrawn = split_for("redrawn", 0, data)
    every = torch.cat([part.tokens for part in (redrawn.train, redrawn.valid, redrawn.test)])  # type: ignore[attr-defined]
    assert sorted(every[:, 0].tolist()) == tokens[:, 0].tolist()


def test_methods_of_one_seed_share_the_split_and_seeds_do_not() -> None:
    workload = workload_named("breast-cancer-mlp")
    data = workload.load(Path("unused"))

    def test_rows(method: str, seed: int, split: str = "redrawn") -> Tensor:
        settings = replace(workload.training, epochs=1, split=split)
        trial = Trial.make(workload.name, method, {}, settings, seed, data.checksum)
        return Training(trial, data).test.inputs  # type: ignore[attr-defined, no-any-return]

    assert torch.equal(test_rows("standard", 0), test_rows("fgm", 0))
    assert not torch.equal(test_rows("standard", 0), test_rows("standard", 1))
    assert torch.equal(test_rows("standard", 0, "fixed"), test_rows("standard", 1, "fixed"))


def test_a_split_is_part_of_what_a_trial_computes() -> None:
    keys = {
        Trial.make("digits-lenet5", "standard", {}, TrainingSettings(**given), 0, "digits").key
        for given in ({}, {"split": "fixed"}, {"split": "redrawn"})
    }
    assert len(keys) == 2
