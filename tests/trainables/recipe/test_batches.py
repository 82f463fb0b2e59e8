"""Short batches: kept, dropped or merged, and refused where a model cannot train on one example."""

import pytest
import torch
from torch import nn

from dropattack import UsageError
from trainables.data.splits import ImageSplit, Split, TextSplit
from trainables.lanes import lane_structure
from trainables.recipe.batches import check_last_batch, epoch_batches
from trainables.trial import Trial
from trainables.workloads import TrainingSettings


def images(count: int) -> ImageSplit:
    return ImageSplit(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.arange(count))


def texts(count: int) -> TextSplit:
    lengths = torch.randint(1, 9, (count,), generator=torch.Generator().manual_seed(0))
    return TextSplit(torch.zeros(count, 8, dtype=torch.int32), lengths, torch.arange(count))


def sizes(split: Split, size: int, last_batch: str) -> list[int]:
    generator = torch.Generator().manual_seed(1)
    batches = [labels for _, labels in epoch_batches(split, size, last_batch, generator)]
    seen = torch.cat(batches)
    assert len(seen.unique()) == len(seen)
    return sorted(map(len, batches))


@pytest.mark.parametrize("make", [images, texts])
@pytest.mark.parametrize(
    ("count", "last_batch", "expected"),
    [
        (9, "keep", [1, 4, 4]),
        (9, "drop", [4, 4]),
        (9, "merge", [4, 5]),
        (8, "drop", [4, 4]),
        (8, "merge", [4, 4]),
        (3, "drop", [3]),
        (3, "merge", [3]),
    ],
)
def test_sizes_of_batches(make, count: int, last_batch: str, expected: list[int]) -> None:
    assert sizes(make(count), 4, last_batch) == expected


def test_kept_batches_are_those_of_the_split() -> None:
    one, other = (torch.Generator().manual_seed(3) for _ in range(2))
    kept = [labels for _, labels in epoch_batches(texts(21), 4, "keep", one)]
    own = [labels for _, labels in texts(21).batches(4, other)]
    assert all(torch.equal(*pair) for pair in zip(kept, own, strict=True))


FLAT = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2))
SPATIAL = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, 2))


def test_one_example_is_refused_where_a_channel_has_one_value() -> None:
    with pytest.raises(UsageError, match="9 examples in batches of 4 leave one, and BatchNorm cannot"):
        check_last_batch(FLAT, images(9), 4, "keep")
    with pytest.raises(UsageError, match="1 examples in batches of 4 leave one"):
        check_last_batch(FLAT, images(1), 4, "drop")
    for last_batch in ("keep", "drop", "merge"):
        with pytest.raises(UsageError, match="one example; set a larger batch_size"):
            check_last_batch(FLAT, images(8), 1, last_batch)
    before = FLAT[1].running_mean.clone()
    for model, count, last_batch in (
        (FLAT, 9, "drop"),
        (FLAT, 9, "merge"),
        (FLAT, 8, "keep"),
        (SPATIAL, 9, "keep"),
    ):
        check_last_batch(model, images(count), 4, last_batch)
    assert torch.equal(FLAT[1].running_mean, before)


def test_a_lane_keeps_its_last_batch() -> None:
    recipe = TrainingSettings(last_batch="drop")
    trial = Trial.make("mnist-lenet5", "standard", {}, recipe, 0, "checksum")
    with pytest.raises(UsageError, match="a lane keeps its last batch"):
        lane_structure(trial)


def test_a_new_setting_renames_no_trial() -> None:
    assert TrainingSettings().stated() == {}
    assert TrainingSettings(last_batch="merge").stated() == {"last_batch": "merge"}
