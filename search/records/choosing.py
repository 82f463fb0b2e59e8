"""What validation chooses among records, by the one rule of `analysis.choice`."""

import math

from analysis.choice import Choice
from search.definition.select import Select
from search.records.record import Record, State


def consider(
    choice: Choice, record: Record, select: Select, *, fresh: bool, race: str | None = None
) -> float | None:
    """Adds a record to a choice if it can be chosen.

    Args:
        choice: Where to add it.
        record: A complete trial that is no control can be chosen, if its deciding value is finite.
        select: The sweep's rule.
        fresh: Whether a confirmation ran it.
        race: The race in which it ran, if it ran in one.

    Returns:
        Its deciding value, larger is better; ``None`` if it cannot be chosen.
    """
    value = record.value(select)
    candidate = record.state is State.COMPLETE and not record.identity.control
    if not candidate or value is None or not math.isfinite(value):
        return None
    merit = select.rule.decides.sign * value
    choice.add(
        record.identity.configuration,
        record.trial.seed,
        record.key,
        merit,
        record.margins(select),
        fresh=fresh,
        race=race,
        examples=_examples(record),
    )
    return merit


def _examples(record: Record) -> float:
    asked = record.trial.training.get("train_size", 0)
    return float(asked) if isinstance(asked, int) and asked > 0 else math.inf
