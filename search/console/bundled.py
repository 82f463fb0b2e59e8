"""How the command line lists sweeps, and shows one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from search.console.columns import first_sentence, show_columns, show_facts
from search.console.terminal import show_line
from search.definition.schema import check_schema
from search.definition.searches import Confirm, Sampling
from search.definition.source import bundled_sweeps, read_source
from search.definition.space import Dimension, Interval, Subsets
from search.definition.sweep import Stage, Sweep
from search.definition.yamlfile import SUFFIXES
from search.records.store import Store

START = "demo"
"""The sweep to begin with."""


def show_sweeps(console: Console, recorded: Sequence[str]) -> None:
    """Shows the bundled sweeps, one line each, and how many are on record."""
    names = sorted(bundled_sweeps(), key=lambda name: (name != START, name))
    marks = {name: "*" if name == START else " " for name in names}
    show_columns(console, [(marks[name], name, first_sentence(_read(name).summary)) for name in names])
    show_line(console, f"* to begin with: `dropattack run {START}`")
    show_line(console, "`dropattack sweeps NAME` shows one in full")
    if recorded:
        many = f"{len(recorded)} sweep{'s' * (len(recorded) != 1)}"
        show_line(console, f"{many} run in this store: `dropattack status` lists them")


def plain_sweeps(recorded: Sequence[str]) -> list[dict[str, Any]]:
    """The same as plain values for JSON; a sweep that is only on record has its name alone."""
    found = [
        {
            "name": name,
            "summary": sweep.summary,
            "workloads": list(sweep.workloads),
            "stages": [stage.name for stage in sweep.stages],
            "scales": list(sweep.scales),
            "bundled": True,
            "recorded": name in recorded,
            "recommended": name == START,
        }
        for name, sweep in ((name, _read(name)) for name in bundled_sweeps())
    ]
    bundled = {each["name"] for each in found}
    return found + [
        {"name": name, "bundled": False, "recorded": True, "recommended": False}
        for name in recorded
        if name not in bundled
    ]


def sweep_of(name: str, store: Store) -> Sweep:
    """A sweep that is bundled, in a file, or on record.

    Raises:
        UsageError: There is none of that name, or it cannot be read.
    """
    known = name in bundled_sweeps() or Path(name).suffix in SUFFIXES or name not in store.sweeps()
    return _read(name) if known else store.recorded(name)


def show_sweep(console: Console, sweep: Sweep, asked: str) -> None:
    """One sweep: what it asks, and how."""
    facts = [("workloads", " ".join(sweep.workloads)), ("seeds", " ".join(map(str, sweep.seeds)))]
    facts += [
        (section, ", ".join(f"{name} {_space(value)}" for name, value in getattr(sweep, section).items()))
        for section in ("training", "data", "model")
        if getattr(sweep, section)
    ]
    select = sweep.select
    by = str(select.rule) if select.several else f"{select.column} ({select.direction})"
    facts += [("aims at", ", ".join(aim.metric for aim in select.aims))] if select.several else []
    facts += [("selects by", by)]
    facts += [(f"stage {number}", _stage(stage)) for number, stage in enumerate(sweep.stages, 1)]
    facts += [("scales", " ".join(f"--scale {scale}" for scale in sweep.scales))] if sweep.scales else []
    show_facts(console, f"{sweep.name}: {sweep.summary}" if sweep.summary else sweep.name, facts)
    show_line(console, f"`dropattack plan {asked}` estimates its cost, `dropattack run {asked}` runs it")


def plain_sweep(sweep: Sweep) -> dict[str, Any]:
    """The whole definition as plain values for JSON."""
    return sweep.model_dump(mode="json")


def _read(name: str) -> Sweep:
    return check_schema(read_source(name), name)


def _stage(stage: Stage) -> str:
    """Such as ``search: optuna, 20 trials, asha: dropattack (targets, epsilon, p, k)``."""
    how: list[str] = [stage.search.kind]
    if isinstance(stage.search, Sampling):
        how += [stage.search.sampler.kind] if stage.search.sampler else []
        how.append(f"{stage.search.trials} trials")
        if stage.search.seeds > 1:
            how.append(f"{'a race over' if stage.search.race else 'each on'} {stage.search.seeds} seeds")
    elif isinstance(stage.search, Confirm):
        each = f"best {stage.search.top}" if not stage.search.arms else "best of each stage"
        how.append(f"{each} on seeds {' '.join(map(str, stage.search.seeds))}")
        how += [f"beside {control}" for control in stage.search.controls]
    how += [stage.scheduler.kind] if stage.scheduler else []
    how += [f"for {' '.join(stage.workloads)}"] if stage.workloads else []
    methods = []
    for method, spaces in stage.methods.items():
        for space in spaces:
            methods.append(f"{method} ({', '.join(space)})" if space else method)
    return f"{stage.name}: {', '.join(how)}{': ' * bool(methods)}{', '.join(methods)}"


def _space(dimension: Dimension) -> str:
    """A dimension as a sweep file has it."""
    if isinstance(dimension, Interval | Subsets):
        return str(dimension.model_dump(mode="json", exclude_defaults=True)).replace("'", "")
    return str(dimension).replace("'", "")
