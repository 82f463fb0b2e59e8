"""A sweep's file beside the sweep that ran: what of it was edited since."""

from collections.abc import Mapping
from typing import Any

from dropattack import UsageError
from search.definition.overriding import changes_in, override
from search.definition.schema import check_schema
from search.definition.source import read_source
from search.definition.sweep import SECTIONS, Sweep

_WHOLE = ("workloads", "seeds", "select", "limits")
"""Keys that an answer depends on, beside those that are compared entry by entry."""


def as_it_is_now(source: str, ran: Sweep) -> Sweep:
    """The sweep of a file as it is now, with what the run itself changed, as by ``--set``.

    A workload is imported only where the metric that it selects by matters.

    Args:
        source: Path of the file.
        ran: The sweep as it was last run.

    Raises:
        UsageError: The file cannot be read, or is no sweep.
    """
    raw = read_source(source)
    try:
        for path, value in changes_in(ran.summary).items():
            override(raw, path, value)
        raw["resources"] = ran.resources.model_dump()  # which no summary lists, and limits depend on
        now = check_schema(raw, source).recorded
    except UsageError:  # what the run changed has no place in the file any more
        now = check_schema(read_source(source), source).recorded
    if now.select == ran.select:
        return now
    from search.definition.selecting import with_own_metric  # with torch, which few answers need

    try:
        return with_own_metric(now)
    except UsageError:  # its workload is not there, and without it nobody knows the metric
        return now.model_copy(update={"select": ran.select})


def differing_keys(now: Sweep, ran: Sweep) -> list[str]:
    """The keys, as ``--set`` names them, by which two sweeps differ in what answers depend on."""
    keys = [key for key in _WHOLE if getattr(now, key) != getattr(ran, key)]
    for section in SECTIONS:
        keys += [f"{section}.{name}" for name in _differing(getattr(now, section), getattr(ran, section))]
    stages = [{stage.name: stage for stage in sweep.stages} for sweep in (now, ran)]
    keys += [f"stages.{name}" for name in _differing(*stages)]
    return keys or ["stages"] * (list(stages[0]) != list(stages[1]))


def _differing(now: Mapping[str, Any], ran: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*now, *ran])
    return [name for name in names if name not in now or name not in ran or now[name] != ran[name]]
