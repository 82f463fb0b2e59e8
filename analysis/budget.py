"""The budget of passes that a trial was given, from what it takes."""

import math
from collections.abc import Sequence

_ROUNDING = 1e-6


def budget_of(asked: Sequence[float] | None, passes: float) -> float:
    """The least budget that a stage asks for and that is enough.

    Args:
        asked: ``training.epochs`` of a stage with ``budget: passes``; ``None`` for any whole number.
        passes: What the trial takes in all. One epoch may take more than the largest budget.

    Examples:
        >>> budget_of([8, 16], 9), budget_of([8], 13), budget_of(None, 23.1)
        (16, 8, 24)
    """
    if asked is None:
        return math.ceil(passes - _ROUNDING)
    return min((budget for budget in asked if budget >= passes - _ROUNDING), default=max(asked))
