"""How the command line shows what a run would do."""

from rich.console import Console
from rich.table import Table

from search.console.status import duration
from search.console.terminal import show_line
from search.definition.sweep import Sweep
from search.engine.plan import Plan


def show_plan(console: Console, sweep: Sweep, planned: Plan) -> None:
    """What a run would do, stage by stage."""
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
    show_line(console, f"{work}; nothing started")
