"""AutoAttack (Croce and Hein 2020): four attacks in turn, each on the examples that withstood the others."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from dropattack.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dropattack.robustness.victims import Pixels, Victim

PARTS = ("apgd-ce", "apgd-t", "fab-t", "square")
"""Its attacks, in the order in which they run."""
WHITE_BOX = PARTS[:3]
"""Those that follow gradients."""
GRADIENT_PASSES = 100 + 9 * 100 + 9 * 100
"""Passes with a gradient over an example that withstands all of them, with ten classes or more."""
FORWARD_PASSES = 9 * 100 + 5000
"""Passes without a gradient over that example: FAB-T's checks of its points, and Square's queries."""
PASSES = GRADIENT_PASSES + 5000
"""Steps and queries over that example."""
BUDGET = (
    "APGD-CE of 100 steps, APGD-T and FAB-T of 100 for each of at most 9 wrong classes, Square of 5,000 "
    "queries"
)


def check_installed() -> None:
    """Checks that the library of the attacks is installed.

    Raises:
        UsageError: torchattacks is not installed.
    """
    if find_spec("torchattacks") is None:
        raise UsageError("autoattack needs torchattacks; pip install 'dropattack[autoattack]'")


def part(
    name: str, victim: "Victim", labels: "Tensor", epsilon: float, generator: "torch.Generator | None" = None
) -> "Tensor":
    """Runs one of the four attacks, on examples that are all classified rightly.

    Args:
        name: One of `PARTS`.
        victim: Images, inside `attacking`.
        labels: ``[batch]``, int64.
        epsilon: Radius of the L∞ ball.
        generator: Seeds the draws; ``None`` takes torch's default.

    Returns:
        Points shaped as ``victim.start``, in the ball; the clean point where the attack found no other.

    Raises:
        UsageError: torchattacks is not installed, or the victim is not images.
    """
    import torch

    check_installed()
    from dropattack.robustness import parts

    images = _images(victim)
    with torch.no_grad():
        with parts.seeded(generator):
            found = parts.PARTS[name](images, labels, epsilon, parts.STANDARD).to(images.start)
        standing = images.outputs(found).argmax(1) == labels
        return torch.where(standing.view(-1, 1, 1, 1), images.start, found)


def autoattack(
    victim: "Victim", labels: "Tensor", epsilon: float, generator: "torch.Generator | None" = None
) -> "Tensor":
    """Runs all four attacks on one batch; see `part`. Examples that are wrong already stay clean."""
    import torch

    images = _images(victim)
    with torch.no_grad():
        points = images.start.clone()
        standing = (images.outputs(points).argmax(1) == labels).nonzero().squeeze(1)
        for name in PARTS:
            if not len(standing):
                break
            found = part(name, images.at(points[standing]), labels[standing], epsilon, generator)
            points[standing] = found
            standing = standing[images.outputs(found).argmax(1) == labels[standing]]
    return points


def _images(victim: "Victim") -> "Pixels":
    from dropattack.robustness.victims import Pixels

    if not isinstance(victim, Pixels) or victim.start.dim() != 4 or not victim.alone:
        raise UsageError(
            "autoattack is for models of images alone, [batch, channels, height, width]; use pgd-50x5 and "
            "margin-50x5 for other inputs"
        )
    return victim
