"""Checks that attacks fit the data that a model is tested on, before any training."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dropattack import UsageError
from dropattack.robustness import UNIT, Bounds, Case, check_installed
from trainables.data.dataset import Data
from trainables.data.splits import Split

_LOOKED_AT = 250
"""Number of examples of a split to check."""
_SLACK = 0.01
"""Largest distance of a value from the assumed range 0 to 1."""


def check_attackable(cases: Sequence[Case], split: Split, data: Data, name: str) -> None:
    """Refuses attacks that do not fit the data.

    Args:
        cases: The attacks.
        split: The split to attack; the check reads a few examples.
        data: The data of the split.
        name: Name of the workload.

    Raises:
        UsageError: An attack on images meets other inputs, the inputs have no range or leave the assumed one,
            the ball of an attack holds all of that range, or AutoAttack is not installed.
    """
    if any(case.attack.in_turn for case in cases):
        check_installed()
    if not cases or data.words is not None:
        return
    inputs, _ = next(split.batches(_LOOKED_AT))
    attacked, *others = inputs if isinstance(inputs, tuple) else (inputs,)
    if attacked.is_floating_point():
        _check_shape(cases, list(attacked.shape[1:]), name)
        if others:
            _check_alone(cases, name)
        _check_range(attacked, data.bounds, name)
        _check_radius(cases, attacked[0].numel(), name)


def _check_shape(cases: Sequence[Case], shape: list[int], name: str) -> None:
    refused = [case.name for case in cases if case.attack.for_images]
    if refused and len(shape) != 3:
        raise UsageError(
            f"the attack {refused[0]} is for images, and an example of {name} is of shape {shape}; use "
            "pgd-50x5 and margin-50x5 instead"
        )


def _check_alone(cases: Sequence[Case], name: str) -> None:
    refused = [case.name for case in cases if case.attack.in_turn]
    if refused:
        raise UsageError(
            f"the attack {refused[0]} is for models of images alone, and those of {name} take more than one "
            "input; use pgd-50x5 and margin-50x5 instead"
        )


def _check_range(inputs: Tensor, bounds: Bounds, name: str) -> None:
    say = "set their smallest and largest value in Data.bounds, or bounds= of Tensors"
    if not all(torch.as_tensor(end).isfinite().all() for end in bounds):
        raise UsageError(f"the inputs of {name} have no range that attacks could keep to; {say}")
    if any(isinstance(end, Tensor) for end in bounds) or tuple(bounds) != UNIT:
        return
    least, most = (float(end) for end in inputs.aminmax())
    if least < -_SLACK or most > 1 + _SLACK:
        raise UsageError(
            f"the inputs of {name} reach from {least:.2g} to {most:.2g}, and attacks would keep them in 0 to "
            f"1; {say}"
        )


def _check_radius(cases: Sequence[Case], pixels: int, name: str) -> None:
    """In pixel units no two examples are further apart than black and white, √pixels in L2."""
    widest = math.sqrt(pixels)
    wide = [case for case in cases if case.attack.ball == "l2" and case.epsilon > widest]
    if wide:
        raise UsageError(
            f"ε {wide[0].epsilon:g} of {wide[0].name} exceeds {widest:.3g}, the largest L2 distance between "
            f"two examples of {name} in units of an input's range; set a smaller one"
        )
