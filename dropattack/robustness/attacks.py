"""Attacks by name: ``autoattack``, ``fgsm``, ``pgd-20``, ``pgd-l2-20x5``, ``margin-20``, ``square-200``.

Reading a name imports no torch; running an attack does.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from dropattack.errors import UsageError, unknown
from dropattack.robustness.autoattack import BUDGET, PASSES, autoattack

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dropattack.robustness.victims import Victim

_SPELLING = re.compile(r"(autoattack|fgsm|fgm|pgd|margin|noise|square)(-l2)?(?:-([1-9]\d*))?(?:x([1-9]\d*))?")
AUTOATTACK = "autoattack"
_SUCH = [
    "fgsm",
    "fgm",
    "pgd-20",
    "pgd-l2-20",
    "pgd-20x5",
    "margin",
    "margin-20",
    "noise-10",
    "square-200",
    "autoattack",
]
VALID = ", ".join(_SUCH)
_SINGLE = ("fgsm", "fgm", AUTOATTACK)
"""Families that take neither steps nor restarts."""


@dataclass(frozen=True)
class Attack:
    """An attack on the input of a model in eval mode, complete but for ε.

    ==============  =======================================================================================
    family          what it does
    ==============  =======================================================================================
    ``autoattack``  APGD-CE, APGD-T, FAB-T and Square in turn, as published (Croce and Hein 2020); needs
                    torchattacks
    ``fgsm``        one step of ε along the gradient's sign (Goodfellow et al. 2015)
    ``fgm``         one step of L2 norm ε along the gradient (Miyato et al. 2017)
    ``pgd``         projected steps of 2.5 ε/steps, though at least ε/10, from a random start (Madry et al.
                    2018)
    ``margin``      as ``pgd``, or without steps as ``fgsm``, on the margin of the logits instead of the
                    cross entropy (Carlini and Wagner 2017)
    ``noise``       the worst of so many random points; sees no gradient
    ``square``      random search by squares with so many queries (Andriushchenko et al. 2020); sees no
                    gradient
    ==============  =======================================================================================

    Attributes:
        family: One of the table's.
        ball: ``linf`` or ``l2``.
        steps: Ascent steps, draws or queries; 0 for a single step of size ε from the clean input.
        restarts: Random starts; each example keeps the point with the largest margin.
    """

    family: str
    ball: str = "linf"
    steps: int = 0
    restarts: int = 1

    @classmethod
    def parse(cls, text: str) -> "Attack":
        """The attack of that name.

        Raises:
            UsageError: The name is unknown, lacks a number of steps, or has a part that its family does not
                take.

        Examples:
            >>> Attack.parse("pgd-l2-20x5")
            Attack(family='pgd', ball='l2', steps=20, restarts=5)
        """
        found = _SPELLING.fullmatch(text.strip())
        if found is None:
            raise unknown("attack", text, _SUCH)
        family, l2, steps, restarts = found.groups()
        single = family in _SINGLE or (family == "margin" and steps is None)
        if (
            (family in _SINGLE and (l2 or steps))
            or (family == "square" and l2)
            or (not single and steps is None)
            or (restarts is not None and (single or family not in ("pgd", "margin")))
        ):
            raise UsageError(f"attack {text!r} lacks a part or has one too many; valid: {VALID}")
        ball = "l2" if l2 or family == "fgm" else "linf"
        return cls(family, ball, int(steps or 0), int(restarts or 1))

    @override
    def __str__(self) -> str:
        ball = "-l2" if self.ball == "l2" and self.family != "fgm" else ""
        steps = f"-{self.steps}" if self.steps else ""
        return f"{self.family}{ball}{steps}{f'x{self.restarts}' if self.restarts > 1 else ''}"

    @property
    def sees_gradients(self) -> bool:
        """Whether it is a white-box attack."""
        return self.family not in ("noise", "square")

    @property
    def for_images(self) -> bool:
        """Whether it needs images."""
        return self.family in ("square", AUTOATTACK)

    @property
    def in_turn(self) -> bool:
        """Whether it runs several attacks, each on the examples that the earlier ones left right."""
        return self.family == AUTOATTACK

    @property
    def passes(self) -> int:
        """Largest number of passes over the data; attacks without gradients make forward passes alone."""
        return PASSES if self.in_turn else max(1, self.steps) * self.restarts

    @property
    def budget(self) -> str:
        """Its steps and starts in words, such as ``20 steps from each of 5 random starts``."""
        if self.in_turn:
            return BUDGET
        if not self.steps:
            return "one step"
        what = {"noise": "random points", "square": "queries"}.get(self.family, "steps")
        starts = f" from each of {self.restarts} random starts" if self.restarts > 1 else ""
        return f"{self.steps:,} {what}{starts}"

    def step_size(self, epsilon: float) -> float:
        """Size of one of several steps: enough to cross the ball and come back."""
        return epsilon * max(2.5 / self.steps, 0.1)

    def __call__(
        self,
        victim: "Victim",
        labels: "Tensor",
        epsilon: float,
        generator: "torch.Generator | None" = None,
    ) -> "Tensor":
        """The attacked points of one batch.

        Args:
            victim: What is attacked, inside `attacking`.
            labels: ``[batch]``, int64: the classes to move predictions away from.
            epsilon: Radius of the ball, at least 0, in the victim's unit; with 0 nothing moves.
            generator: Source of all draws, on the victim's device; ``None`` takes torch's default.

        Returns:
            Points shaped as ``victim.start``, detached, for each example at most ε from it.
        """
        from dropattack.robustness import blackbox
        from dropattack.robustness.ascent import cross_entropy, margin, projected_ascent, single_step

        if self.in_turn:
            return autoattack(victim, labels, epsilon, generator)
        if self.family == "noise":
            return blackbox.noise(victim, labels, epsilon, self.ball, self.steps, generator)
        if self.family == "square":
            return blackbox.square(victim, labels, epsilon, self.steps, generator)
        loss = margin if self.family == "margin" else cross_entropy
        if not self.steps:
            return single_step(victim, labels, epsilon, self.ball, loss)
        size = self.step_size(epsilon)
        found = (
            projected_ascent(victim, labels, epsilon, self.ball, loss, self.steps, size, generator)
            for _ in range(self.restarts)
        )
        return next(found) if self.restarts == 1 else blackbox.worst(victim, labels, found)
