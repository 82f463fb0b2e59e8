"""Random changes of images: what they may give, each image by itself, and what they draw from."""

import pytest
import torch
from torch import Tensor

from dropattack import UsageError
from trainables.data.splits import ImageSplit
from trainables.recipe.augmentation import AUGMENTATIONS, augmented, check_augmentation, crop, flip

SHAPES = [(64, 3, 32, 32), (64, 1, 28, 28), (64, 1, 8, 8), (64, 2, 16, 24)]


def images(shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_crop_is_one_of_the_moved_images_and_they_differ(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    before = images(shape)
    after = crop(before)
    down, right = shape[2] // 8, shape[3] // 8
    moves = []
    for one, moved in zip(before, after, strict=True):
        padded = torch.zeros(shape[1], shape[2] + 2 * down, shape[3] + 2 * right)
        padded[:, down : down + shape[2], right : right + shape[3]] = one
        found = [
            (top, left)
            for top in range(2 * down + 1)
            for left in range(2 * right + 1)
            if torch.equal(moved, padded[:, top : top + shape[2], left : left + shape[3]])
        ]
        assert len(found) == 1
        moves.append(found[0])
    assert len(set(moves)) > 5
    assert {top for top, _ in moves} <= set(range(2 * down + 1))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flip_mirrors_about_half_of_the_images(shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    before = images(shape)
    after = flip(before)
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(after, before, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(after, before, strict=True)]
    assert all(m != k for m, k in zip(mirrored, kept, strict=True))
    assert 16 <= sum(mirrored) <= 48


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_it_draws_from_the_default_generator_and_keeps_shape_type_and_range(name: str) -> None:
    before = images((8, 3, 32, 32))
    torch.manual_seed(3)
    first = AUGMENTATIONS[name](before)
    second = AUGMENTATIONS[name](before)
    torch.manual_seed(3)
    again = AUGMENTATIONS[name](before)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert (first.shape, first.dtype) == (before.shape, before.dtype)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


@pytest.mark.parametrize("name", ["trivial-augment", "rand-augment"])
def test_torchvisions_transforms_treat_each_image_by_itself(name: str) -> None:
    torch.manual_seed(4)
    after = AUGMENTATIONS[name](images((1, 3, 32, 32)).expand(16, -1, -1, -1))
    assert len({tuple(image.flatten().tolist()) for image in after}) > 4


def test_of_several_inputs_the_first_is_changed() -> None:
    before, more, labels = images((4, 1, 8, 8)), torch.ones(4, 2), torch.arange(4)
    (after, others), same = augmented(lambda x: x + 1, ((before, more), labels))
    assert torch.equal(after, before + 1)
    assert others is more
    assert same is labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :, 1:], "returns torch.float32"),
        (lambda x: x.double(), "returns torch.float64"),
        (lambda x: None, "returns NoneType"),
        (lambda x: x @ torch.ones(5, 5), "cannot take inputs of shape"),
    ],
)
def test_an_augmentation_that_does_not_fit_is_refused_in_a_line(change, message: str) -> None:  # type: ignore[no-untyped-def]
    split = ImageSplit(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.arange(3))
    with pytest.raises(UsageError, match=message):
        check_augmentation("mine", change, split)
