"""The trials whose models a verdict recommends."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from search.definition.sweep import Sweep
from search.records.notes import NotedVerdicts
from search.records.record import Record, State
from search.results.asked import name_rank


def recommended(
    sweep: Sweep, records: Iterable[Record], noted: NotedVerdicts
) -> list[tuple[Mapping[str, Any], Record]]:
    """The verdicts that recommend something, each with the trial whose model to use.

    That is the configuration's complete trial with the best validation value.
    """
    by_configuration: dict[str, list[Record]] = {}
    for record in records:
        value = record.value(sweep.select)
        if record.state is State.COMPLETE and value is not None and math.isfinite(value):
            by_configuration.setdefault(record.identity.configuration, []).append(record)
    found: list[tuple[Mapping[str, Any], Record]] = []
    for verdict in noted["verdicts"]:
        own = by_configuration.get((verdict["use"] or {}).get("configuration_id", ""), [])
        if own:
            found.append((verdict, min(own, key=lambda record: _rank(sweep, record))))
    return found


def _rank(sweep: Sweep, record: Record) -> tuple[Any, ...]:
    value = record.value(sweep.select) or 0.0
    merit = sweep.select.rule.decides.sign * value
    return -merit, record.key, *name_rank(record)
