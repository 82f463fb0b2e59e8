"""Which examples a trial trains on, chooses by and is tested on: the dataset's split, or one of its seed."""

from dataclasses import replace

import torch

from trainables.data.dataset import Data
from trainables.data.splits import stratified_subset

FIXED, REDRAWN = "fixed", "redrawn"
SPLITS = (FIXED, REDRAWN)


def split_for(split: str, seed: int, data: Data) -> Data:
    """The data as one trial splits them.

    Args:
        split: ``fixed`` takes them as they are; ``redrawn`` deals all examples anew into parts of the same
            sizes, stratified where labels are classes. What the dataset has fitted to its own training split,
            such as a vocabulary, stays.
        seed: Decides how; trials of one seed share it.
        data: The dataset's.
    """
    if split == FIXED:
        return data
    whole = data.train.joined([data.valid, data.test])
    labels = whole.labels
    classes = labels.ndim == 1 and not labels.is_floating_point()
    strata = labels if classes else torch.zeros(len(whole), dtype=torch.int64)
    order = stratified_subset(strata, len(whole), seed).to(labels.device)
    test, valid = len(data.test), len(data.valid)
    return replace(
        data,
        test=whole.subset(order[:test]),
        valid=whole.subset(order[test : test + valid]),
        train=whole.subset(order[test + valid :]),
    )
