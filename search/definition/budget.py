"""The budget of passes that a stage gave to a trial."""

import math

from search.definition.space import Dimension, Interval, values

_ROUNDING = 1e-6


def budget_of(asked: Dimension, passes: float) -> int:
    """The least budget that a stage asks for and that is enough for what a trial takes.

    Args:
        asked: ``training.epochs`` of a stage with ``budget: passes``.
        passes: What the trial takes in all. One epoch may take more than the largest budget.
    """
    if isinstance(asked, Interval) and asked.step is None:
        return math.ceil(passes - _ROUNDING)
    budgets = [int(float(str(value))) for value in values(asked)]
    return min((budget for budget in budgets if budget >= passes - _ROUNDING), default=max(budgets))
