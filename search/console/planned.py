"""How the command line shows what a run would do."""

from typing import Any

from rich.console import Console
from rich.table import Table

from search.console.status import duration
from search.console.terminal import show_line
from search.definition.sweep import Sweep
from search.engine.costs.estimate import Estimate
from search.engine.plan import Plan


def show_plan(console: Console, sweep: Sweep, planned: Plan) -> None:
    """Shows what a run would do, stage by stage, and how long it would take."""
    table = Table("stage", "workload", "search", title=f"plan of {sweep.name}")
    for name in ("trials", "recorded", "reused", "left", "passes", "one slot"):
        table.add_column(name, justify="right")
    for plan in planned.stages:
        seconds = "?" if plan.seconds is None else duration(plan.seconds)
        about = "" if plan.search == "grid" else "≈ "
        numbers = (plan.trials, plan.recorded, plan.reused, plan.left)
        table.add_row(
            plan.stage, plan.workload, plan.search, *map(str, numbers), f"{about}{plan.passes:,.0f}", seconds
        )
    console.print(table)
    left, passes = sum(s.left for s in planned.stages), sum(s.passes for s in planned.stages)
    work = f"{left} trials to train, {passes:,.0f} forward-backward passes over the training split"
    for remark in planned.remarks:
        show_line(console, remark)
    for line in time_lines(planned):
        show_line(console, line)
    show_line(console, f"{work}; nothing started")


def plain_plan(sweep: Sweep, planned: Plan) -> list[dict[str, Any]]:
    """Plain values for JSON, stage by stage."""
    cpus = sweep.resources.cpus
    return [
        stage.to_dict() | {"core_hours": None if stage.seconds is None else stage.seconds * cpus / 3600}
        for stage in planned.stages
    ]


def time_lines(planned: Plan) -> list[str]:
    """How long the rest takes here, and on a GPU; empty if nothing is left."""
    left = any(stage.left for stage in planned.stages)
    return [time_line(planned.estimate), gpu_line(planned.estimate)] if left else []


def time_line(estimate: Estimate) -> str:
    """Such as ``time: about 25 min here, 2 trials side by side; 0.8 core-hours (from a probe)``."""
    if estimate.seconds is None or estimate.core_hours is None:
        return "time: unknown, since a workload has no trial on record; --probe measures a few steps"
    source = " and ".join(
        {"probe": "a probe"}.get(part, part) for part in estimate.source.split(" and ") if part
    )
    parts = []
    if estimate.here is not None:
        many = estimate.side_by_side
        beside = f"{many} trials side by side" if many != 1 else "one trial at a time"
        parts.append(f"about {duration(estimate.here)} here, {beside}")
    parts.append(f"{hours(estimate.core_hours)} core-hours")
    return f"time: {'; '.join(parts)}{f' (from {source})' if source else ''}"


def gpu_line(estimate: Estimate) -> str:
    """Such as ``one GPU: about 4 min on a NVIDIA H200, one trial at a time``."""
    if estimate.gpu_seconds is None:
        return "one GPU: unknown, since one of these models, settings or attacks was not measured on any"
    return f"one GPU: about {duration(estimate.gpu_seconds)} on one {estimate.gpu}, one trial at a time"


def hours(value: float) -> str:
    """Hours as people write them: ``0.03``, ``1.2``, ``340``."""
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"
