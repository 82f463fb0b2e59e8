"""The examples that a step trains on: the batch, its adversarial examples, or both.

These are the three scenarios of the APB paper (section 4). They change the batch before any method's step, so
that they combine with every method.
"""

import torch
from torch import nn

from dropattack import Batch
from dropattack.robustness import UNIT, Bounds, adversarial_examples

CLEAN, ADVERSARIAL, BOTH = "clean", "adversarial", "both"
BATCHES = {CLEAN: 1, ADVERSARIAL: 1, BOTH: 2}
"""Examples that a step trains on, as a multiple of the batch."""


def training_batch(
    examples: str, model: nn.Module, batch: Batch, epsilon: float, bounds: Bounds = UNIT
) -> Batch:
    """The batch that a method's step receives.

    Adversarial examples are FGSM's against the model at this step, made anew for every batch. (The paper
    calls its own "fixed, precomputed", which would attack a model that no longer exists.) They are made in
    eval mode, in which the model is tested: dropout draws nothing, and BatchNorm's running statistics are
    used and not changed. They are clamped to the bounds.

    Args:
        examples: ``clean`` returns the batch itself, ``adversarial`` its FGSM examples, ``both`` the batch
            followed by these in one batch of twice the size.
        model: The model in training.
        batch: Continuous inputs, and labels.
        epsilon: Change of each pixel, in the unit of `Bounds`' width.
        bounds: Smallest and largest valid value of an input.
    """
    if examples == CLEAN:
        return batch
    inputs, labels = batch
    attacked = adversarial_examples("fgsm", model, inputs, labels, epsilon, bounds)
    clean, *rest = inputs if isinstance(inputs, tuple) else (inputs,)
    if examples == BOTH:
        attacked, labels = torch.cat([clean, attacked]), torch.cat([labels, labels])
        rest = [torch.cat([other, other]) for other in rest]
    return ((attacked, *rest) if isinstance(inputs, tuple) else attacked), labels
