"""What to use of a sweep, printed for people, for a file, or for programs."""

from collections.abc import Sequence

import yaml
from rich.console import Console

from search.console.terminal import show_line
from search.definition.sweep import Sweep
from search.results.usable import Usable, sweep_file


def best_yaml(sweep: Sweep, found: Sequence[Usable]) -> str:
    """A sweep file that trains what is recommended."""
    return str(yaml.safe_dump(sweep_file(sweep, found), sort_keys=False, default_flow_style=None, width=100))


def show_best(console: Console, sweep: Sweep, found: Sequence[Usable]) -> None:
    """What to use, why, where its model is, and what to paste into a sweep file."""
    for each in found:
        if len(found) > 1:
            show_line(console, f"{each.verdict['workload']}:")
        awaited = bool(each.verdict.get("awaited"))
        for line in each.verdict["lines"][: 2 if awaited else 3][::-1]:
            show_line(console, line)
        if awaited or each.verdict.get("contest"):
            show_line(console, f"Use {each.verdict['use']['name']}: {each.verdict['use']['why']}.")
        for line in each.verdict["lines"]:
            if line.startswith("Under attack: "):
                show_line(console, line)
        for line in each.verdict.get("front", ()):
            show_line(console, line)
        trial = each.record.trial
        where = "no model file" if each.model is None else f"model: {each.model}"
        show_line(console, f"{where} (seed {trial.seed}, key {each.record.key})")
    show_line(console, "")
    for line in best_yaml(sweep, found).splitlines():
        show_line(console, line)
