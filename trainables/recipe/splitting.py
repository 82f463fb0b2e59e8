"""The split of a trial's examples into training, validation and test: the dataset's, or one of its seed."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from dropattack import UsageError
from trainables.data.dataset import Data
from trainables.data.groups import Groups
from trainables.data.splits import Split, stratified_subset

FIXED, REDRAWN, LEAVE_ONE_GROUP_OUT = "fixed", "redrawn", "leave-one-group-out"
SPLITS = (FIXED, REDRAWN, LEAVE_ONE_GROUP_OUT)


def split_for(split: str, turn: int, seed: int, data: Data) -> Data:
    """Splits the data for one trial.

    Whatever the dataset fitted to its own training split, such as a vocabulary, stays.

    Args:
        split: ``fixed`` keeps the dataset's parts. ``redrawn`` deals all examples anew into parts of the same
            sizes. ``leave-one-group-out`` tests on one group, and deals the others into training and
            validation in the dataset's proportion. Parts are stratified if labels are classes.
        turn: Index of the group to leave out; it starts again after the last.
        seed: Decides how examples are dealt; trials of one seed share a split.
        data: The dataset's data.

    Raises:
        UsageError: A group is to be left out, and the data have no groups.
    """
    if split == FIXED:
        return data
    whole = data.train.joined([data.valid, data.test])
    if split == LEAVE_ONE_GROUP_OUT:
        of_test = _groups(data).everyone == _place(turn, data)
        (tested,), (rest,) = of_test.nonzero(as_tuple=True), (~of_test).nonzero(as_tuple=True)
        dealt = rest[_dealt(whole.subset(rest.to(whole.labels.device)), seed)]
        valid = _valid_of(len(rest), data)
        parts = dealt[valid:], dealt[:valid], tested
    else:
        order, test, valid = _dealt(whole, seed), len(data.test), len(data.valid)
        parts = order[test + valid :], order[test : test + valid], order[:test]
    train, chosen_by, test_split = (whole.subset(part.to(whole.labels.device)) for part in parts)
    return replace(data, train=train, valid=chosen_by, test=test_split, groups=None)


def left_out(split: str, turn: int, data: Data) -> str:
    """Name of the group that `split_for` leaves out; empty where it leaves out none."""
    return _groups(data).names[_place(turn, data)] if split == LEAVE_ONE_GROUP_OUT else ""


def train_sizes(splits: Iterable[str], data: Data) -> set[int]:
    """Possible numbers of training examples, under each of some splits and any seed.

    Raises:
        UsageError: A group is to be left out, and the data have no groups.
    """
    sizes = set()
    for split in splits:
        if split == LEAVE_ONE_GROUP_OUT:
            everyone = _groups(data).everyone
            rests = [len(everyone) - count for count in torch.bincount(everyone).tolist()]
            sizes |= {rest - _valid_of(rest, data) for rest in rests}
        else:
            sizes.add(len(data.train))
    return sizes


def _groups(data: Data) -> Groups:
    if data.groups is None:
        raise UsageError(
            f"training.split {LEAVE_ONE_GROUP_OUT} needs a group of each example, and these data name none; "
            f"set it to {REDRAWN} or {FIXED}"
        )
    return data.groups


def _place(turn: int, data: Data) -> int:
    return turn % len(_groups(data).names)


def _valid_of(count: int, data: Data) -> int:
    """Number of so many examples that validate, at least one."""
    return max(1, round(count * len(data.valid) / (len(data.train) + len(data.valid))))


def _dealt(split: Split, seed: int) -> Tensor:
    """Indices of all examples in an order whose every beginning is stratified, on the CPU."""
    labels = split.labels
    classes = labels.ndim == 1 and not labels.is_floating_point()
    strata = labels if classes else torch.zeros(len(split), dtype=torch.int64)
    return stratified_subset(strata, len(split), seed)
