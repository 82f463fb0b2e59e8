"""The workloads as tables for people: what each is, what can be attacked, settings of its data and model.

    python -m trainables.catalogue docs/reference/workloads.md

renews the tables between the markers of a Markdown page.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dropattack import Settings
from dropattack.catalogue import renewed, row, written
from trainables.papers import PAPERS
from trainables.workload import Workload


def reference() -> str:
    """All tables of the page."""
    return "\n\n".join(
        [
            overview(PAPERS),
            f"### What can be attacked\n\n{attackable(PAPERS)}",
            f"### Settings of data and models\n\n{settings(PAPERS)}",
        ]
    )


def overview(workloads: Iterable[Workload]) -> str:
    """A Markdown table of workloads: task, model and data, dataset, metrics, number of targets."""
    lines = [
        "| workload | task | model and data | dataset | metrics | targets |",
        "|---|---|---|---|---|---|",
    ]
    for each in workloads:
        metrics = ", ".join(f"`{name}`" for name in measured(each))
        cells = [
            f"`{each.name}`",
            type(each.objective).__name__.lower(),
            each.summary,
            f"`{each.dataset.name}`",
        ]
        lines.append(f"| {' | '.join([*cells, metrics, str(len(each.target_names()))])} |")
    return "\n".join(lines)


def measured(workload: Workload) -> list[str]:
    """A workload's metrics beside its loss; binary F1 only where one class is the positive one."""
    lacking = {"loss"} if workload.dataset.positive is not None else {"loss", "f1"}
    return [name for name in workload.objective.names if name not in lacking]


def attackable(workloads: Iterable[Workload]) -> str:
    """A Markdown table of targets, with workloads of equal targets in one row."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for each in workloads:
        owners.setdefault(tuple(each.target_names()), []).append(each.name)
    lines = ["| workloads | targets, from the input to the output |", "|---|---|"]
    lines += [f"| {_names(names)} | {', '.join(ranged(targets))} |" for targets, names in owners.items()]
    return "\n".join(lines)


def ranged(names: Sequence[str]) -> list[str]:
    """Names as code; those that differ in numbers alone are one range, from the first to the last.

    Examples:
        >>> ranged(["input", "conv1.w", "conv1.b", "conv2.w", "conv2.b", "fc.w"])
        ['`input`', '`conv1.w` … `conv2.w`', '`conv1.b` … `conv2.b`', '`fc.w`']
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(re.sub(r"\d+", "#", name), []).append(name)
    return [" … ".join(f"`{name}`" for name in dict.fromkeys((each[0], each[-1]))) for each in alike.values()]


def settings(workloads: Iterable[Workload]) -> str:
    """Markdown tables of the settings under ``data`` and ``model``, one for workloads of equal settings."""
    groups: dict[tuple[str, tuple[Any, ...]], dict[str, Settings]] = {}
    for each in workloads:
        for section, found in (("data", each.data_settings()), ("model", each.model_settings())):
            if ranges := found.ranges():
                alike = tuple((name, str(allowed), allowed.doc) for name, allowed in ranges.items())
                groups.setdefault((section, alike), {})[each.name] = found
    tables = [
        f"`{section}:` of {_names(owners)}\n\n{_table(owners)}"
        for wanted in ("data", "model")
        for (section, _), owners in groups.items()
        if section == wanted
    ]
    return "\n\n".join(tables)


def _table(owners: Mapping[str, Settings]) -> str:
    lines = ["| setting | default | range | meaning |", "|---|---|---|---|"]
    first = next(iter(owners.values()))
    for name, allowed in first.ranges().items():
        values: dict[Any, list[str]] = {}
        for owner, each in owners.items():
            values.setdefault(getattr(each, name), []).append(owner)
        usual, *others = sorted(values, key=lambda value: -len(values[value]))
        shown = [written(usual), *(f"{written(other)} in {_names(values[other])}" for other in others)]
        lines.append(row(name, allowed, usual, "; ".join(shown)))
    return "\n".join(lines)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8"), reference), encoding="utf-8")
