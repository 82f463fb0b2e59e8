"""Random changes of training images, on whole batches and on the batch's device.

They draw from torch's default generator, which is the trial's own while it trains.
"""

from collections.abc import Callable, Mapping
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dropattack import Batch, UsageError
from dropattack.errors import first_line
from dropattack.robustness import Bounds
from trainables.data.splits import Split

Augmentation = Callable[[Tensor], Tensor]
"""Maps images ``[batch, channels, height, width]`` in the model's values to as many images."""

NONE = "none"
_TRIED, _TIMES = 32, 8
"""Number of examples that a range is tried on, and of tries."""
_ROUNDING = 1e-5
"""Share of the bounds' width by which rounding may exceed them."""


def flip(images: Tensor) -> Tensor:
    """Mirrors each image left to right with probability 1/2."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def crop(images: Tensor) -> Tensor:
    """Moves each image by up to an eighth of its sides, such as 4 of 32 pixels; zeros fill the gap.

    Torchvision's ``RandomCrop(32, padding=4)`` does the same, but moves all images of a batch alike.
    """
    count, channels, height, width = images.shape
    down, right = height // 8, width // 8
    padded = F.pad(images, (right, right, down, down))
    tops = torch.randint(2 * down + 1, (count, 1), device=images.device)
    lefts = torch.randint(2 * right + 1, (count, 1), device=images.device)
    rows = tops + torch.arange(height, device=images.device)
    columns = lefts + torch.arange(width, device=images.device)
    every = torch.arange(count, device=images.device)
    return padded[
        every[:, None, None, None],
        torch.arange(channels, device=images.device)[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def crop_flip(images: Tensor) -> Tensor:
    """`crop`, then `flip`: the usual augmentation of CIFAR-10."""
    return flip(crop(images))


def _each(name: str, **options: object) -> Augmentation:
    """A transform of ``torchvision.transforms.v2`` on each image alone; on a batch it draws once."""

    @cache
    def transform() -> Augmentation:
        from trainables.vision import transforms

        found: Augmentation = getattr(transforms(), name)(**options)
        return found

    def augment(images: Tensor) -> Tensor:
        return torch.stack([transform()(image) for image in images])

    return augment


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "flip": flip,
    "crop": crop,
    "crop-flip": crop_flip,
    "trivial-augment": _each("TrivialAugmentWide"),
    "rand-augment": _each("RandAugment"),
}
"""Augmentations that every workload of images has, by name."""


def check_augmentation(name: str, augment: Augmentation, split: Split) -> None:
    """Tries an augmentation on two examples.

    Raises:
        UsageError: The augmentation is for images and the inputs are none, or it raises an error, or it
            returns another shape or type.
    """
    images = _images(split, [0, len(split) - 1])
    if AUGMENTATIONS.get(name) is augment and images.ndim != 4:
        raise UsageError(
            f"training.augment {name} is for images [channels, height, width], and inputs have the shape "
            f"{list(images.shape[1:])}; leave it at {NONE}, or add an augmentation to the workload"
        )
    with torch.random.fork_rng([images.device] if images.is_cuda else []):
        try:
            given = augment(images.clone())
        except Exception as error:
            shape = list(images.shape)
            raise UsageError(
                f"training.augment {name} cannot take inputs of shape {shape}: {first_line(error)}"
            ) from error
    if not isinstance(given, Tensor) or given.shape != images.shape or given.dtype != images.dtype:
        said = f"{given.dtype} {list(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
        raise UsageError(
            f"training.augment {name} returns {said} for inputs of {images.dtype} {list(images.shape)}; it "
            "must return the same type and shape"
        )


def check_range(name: str, augment: Augmentation, split: Split, bounds: Bounds) -> None:
    """Tests on some examples that changed inputs stay inside the bounds of the data, as attacks do.

    Attacks clamp perturbed inputs to the bounds, which would undo a part of a change that leaves them. Data
    that leave their bounds themselves are not tested.

    Args:
        name: Name of the augmentation.
        augment: An augmentation that passed `check_augmentation`.
        split: Examples on a CPU.
        bounds: See `Data.bounds`.

    Raises:
        UsageError: A changed input leaves the bounds.
    """
    images = _images(split, torch.linspace(0, len(split) - 1, min(len(split), _TRIED)).long().tolist())
    low, high = (torch.as_tensor(bound, dtype=images.dtype) for bound in bounds)
    slack = _ROUNDING * (high - low)

    def keeps(inputs: Tensor) -> bool:
        return bool(((inputs >= low - slack) & (inputs <= high + slack)).all())

    if not keeps(images):
        return
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        kept = all(keeps(augment(images.clone())) for _ in range(_TIMES))
    if not kept:
        raise UsageError(
            f"training.augment {name} leaves the bounds of the data, {_span(low)} to {_span(high)}, which "
            "attacks keep to; clamp its result, or set wider bounds of the data"
        )


def _span(bound: Tensor) -> str:
    return f"{bound.item():g}" if bound.numel() == 1 else f"{bound.min():g}..{bound.max():g}"


def _images(split: Split, indices: list[int]) -> Tensor:
    """The inputs, or the first of several, of some examples."""
    inputs, _ = split.take(torch.tensor(indices))
    images: Tensor = inputs[0] if isinstance(inputs, tuple) else inputs
    return images


def augmented(augment: Augmentation, batch: Batch) -> Batch:
    """A batch with its images changed; of several inputs the first."""
    inputs, labels = batch
    if isinstance(inputs, tuple):
        return (augment(inputs[0]), *inputs[1:]), labels
    return augment(inputs), labels
