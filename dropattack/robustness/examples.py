"""Adversarial examples of a batch, from a model and the name of an attack."""

import torch
from torch import Tensor, nn

from dropattack.robustness.attacks import Attack
from dropattack.robustness.victims import UNIT, Bounds, Pixels, attacking
from dropattack.task import Inputs


def adversarial_examples(
    attack: str | Attack,
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor,
    epsilon: float,
    bounds: Bounds = UNIT,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Attacks continuous inputs of a model, which is in eval mode meanwhile.

    Args:
        attack: An attack or its name; see `Attack`.
        model: Called as ``model(inputs)``, or ``model(*inputs)`` where inputs are a tuple.
        inputs: Floating-point inputs ``[batch, …]``; of a tuple the first is attacked.
        labels: ``[batch]``, int64.
        epsilon: Radius in pixel units: 1 is the width of ``bounds``.
        bounds: Smallest and largest valid value, numbers or one for each channel, ``[channels, 1, 1]``.
        generator: Source of all draws; ``None`` takes torch's default.

    Returns:
        Inputs of the same shape within the ball and the bounds, detached.

    Raises:
        UsageError: The attack is unknown or not for such inputs, or the inputs are not floating-point.

    Examples:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> images, labels = torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 0])
        >>> attacked = adversarial_examples("pgd-20", model, images, labels, epsilon=0.1)
        >>> bool((attacked - images).abs().max() < 0.1 + 1e-6)
        True
    """
    attack = Attack.parse(attack) if isinstance(attack, str) else attack
    with attacking(model):
        pixels = Pixels(model, inputs, bounds)
        return pixels.inputs(attack(pixels, labels, epsilon, generator))
