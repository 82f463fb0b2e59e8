"""Splits that are redrawn for each seed: the same examples, dealt anew, in the same sizes."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dropattack import UsageError
from trainables.data.dataset import Data
from trainables.data.groups import Groups
from trainables.data.splits import TensorSplit, TextSplit
from trainables.recipe.splitting import left_out, split_for, train_sizes
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
    assert split_for("fixed", 0, 3, data) is data
    redrawn = [numbers(split_for("redrawn", 0, seed, data)) for seed in (3, 3, 4)]
    assert redrawn[0] == redrawn[1]
    assert redrawn[0] != redrawn[2]
    for parts in redrawn:
        assert tuple(map(len, parts)) == SIZES
        assert sorted(number for part in parts for number in part) == list(range(100))
        assert parts != numbers(data)


def test_classes_keep_their_share_in_every_part() -> None:
    data = split_for("redrawn", 0, 0, numbered((torch.arange(100) % 4 == 0).long()))
    shares = [float(part.labels.double().mean()) for part in (data.train, data.valid, data.test)]
    assert shares == pytest.approx([0.25] * 3, abs=0.03)


def test_labels_go_with_their_examples() -> None:
    data = split_for("redrawn", 0, 1, numbered(torch.arange(100).float()))
    for part in (data.train, data.valid, data.test):
        assert torch.equal(part.labels, part.inputs[:, 0])  # type: ignore[attr-defined]


def test_texts_are_dealt_too() -> None:
    tokens = torch.arange(40, dtype=torch.int32).view(10, 4)
    whole = TextSplit(tokens, torch.full((10,), 4), torch.arange(10) % 2)
    data = Data(
        *(whole.subset(torch.arange(10)[part]) for part in (slice(6), slice(6, 8), slice(8, 10))), 2, "t"
    )
    redrawn = split_for("redrawn", 0, 0, data)
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


GROUPS = ("oslo", "paris", "rome")
IN_TURN = [GROUPS[i * i % 3 if i % 5 else 2] for i in range(sum(SIZES))]
"""0, 1 and 2 in uneven numbers, all over the examples."""


def grouped(labels: Tensor) -> Data:
    ends = [0, 60, 84, 100]
    groups = Groups.of(*(IN_TURN[start:end] for start, end in pairwise(ends)))
    return replace(numbered(labels), groups=groups)


@pytest.mark.parametrize("labels", [(torch.arange(100) % 4 == 0).long(), torch.rand(100)])
@pytest.mark.parametrize("turn", [0, 1, 2, 3, 8])
def test_one_group_is_tested_on_and_the_others_are_dealt_by_the_seed(labels: Tensor, turn: int) -> None:
    data, name = grouped(labels), GROUPS[turn % 3]
    own = [i for i in range(100) if IN_TURN[i] == name]
    assert left_out("leave-one-group-out", turn, data) == name
    dealt = [numbers(split_for("leave-one-group-out", turn, seed, data)) for seed in (3, 3, 4)]
    assert dealt[0] == dealt[1]
    assert dealt[0][0] != dealt[2][0]
    for train, valid, test in dealt:
        assert test == own
        assert sorted([*train, *valid]) == sorted(set(range(100)) - set(own))
        assert len(valid) == round((100 - len(own)) * 24 / 84)


def test_the_rest_keeps_the_share_of_its_classes() -> None:
    data = grouped((torch.arange(100) % 4 == 0).long())
    split = split_for("leave-one-group-out", 1, 0, data)
    shares = [float(part.labels.double().mean()) for part in (split.train, split.valid)]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_sizes_to_train_on_are_those_of_every_turn() -> None:
    data = grouped(torch.rand(100))
    every = {len(split_for("leave-one-group-out", turn, 0, data).train) for turn in range(3)}
    assert train_sizes(["leave-one-group-out"], data) == every
    assert train_sizes(["fixed", "redrawn"], data) == {60}


def test_nothing_is_left_out_of_data_without_groups() -> None:
    data = numbered(torch.rand(100))
    assert left_out("redrawn", 0, data) == ""
    for refused in (
        lambda: split_for("leave-one-group-out", 0, 0, data),
        lambda: train_sizes(["leave-one-group-out"], data),
        lambda: left_out("leave-one-group-out", 0, data),
    ):
        with pytest.raises(UsageError, match="needs a group of each example, and these data name none"):
            refused()


def test_groups_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="at least two"):
        Groups.of(["one"], ["one"], ["one"])
    with pytest.raises(UsageError, match="rename 'a town'"):
        Groups.of(["a town"], ["oslo"], ["oslo"])
    with pytest.raises(UsageError, match="holds 2 train examples, and there are 60"):
        replace(numbered(torch.rand(100)), groups=Groups.of(["a", "b"], ["a"], ["b"]))


def test_a_trial_says_which_group_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = workload_named("breast-cancer-mlp")
    monkeypatch.setattr(type(workload.dataset), "grouped", True)
    data = workload.load(Path("unused"))
    names = [[GROUPS[i % 3] for i in range(len(part))] for part in (data.train, data.valid, data.test)]
    data = replace(data, groups=Groups.of(*names))
    settings = replace(workload.training, epochs=1, split="leave-one-group-out")
    for seed in (1, 4):
        trial = Trial.make(workload.name, "standard", {}, settings, seed, data.checksum)
        training = Training(trial, data)
        metrics = training.epoch()
        assert metrics["test_group_paris"] == len(training.test) == sum(n.count("paris") for n in names)
        assert not any(name.startswith("test_group_") and "paris" not in name for name in metrics)
