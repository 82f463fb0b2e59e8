"""The budgets of passes that a stage asks for."""

from collections.abc import Sequence

from search.definition.space import Dimension, Interval, values


def budgets_in(epochs: Dimension) -> Sequence[float] | None:
    """The budgets in ``training.epochs`` of a stage with ``budget: passes``; ``None`` for any number."""
    if isinstance(epochs, Interval) and epochs.step is None:
        return None
    return [float(str(value)) for value in values(epochs)]
