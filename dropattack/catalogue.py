"""Every registered method as a table for people, so that no page needs to repeat what the code declares.

    python -m dropattack.catalogue docs/reference/methods.md

renews the tables between the markers of a Markdown page.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dropattack.methods  # noqa: F401  registers them
from dropattack.errors import UsageError
from dropattack.registry import method_named, registered
from dropattack.settings import Range, Settings

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def overview() -> str:
    """A Markdown table of every method: what it does, its cost and its source."""
    lines = ["| method | what it does | passes per step | keeps | source |", "|---|---|---|---|---|"]
    for name, method in sorted(registered().items()):
        cells = [f"[`{name}`](#{name})", method.summary, method.cost, method.state or "–", method.source]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def hyperparameters(name: str) -> str:
    """A Markdown table of one method's hyperparameters: default, range and meaning."""
    return settings_table(method_named(name).settings_type, "hyperparameter")


def settings_table(settings: type[Settings], what: str) -> str:
    """A Markdown table of settings: default, range and meaning.

    Args:
        settings: Their type.
        what: Head of the first column, such as ``setting``.
    """
    lines = [f"| {what} | default | range | meaning |", "|---|---|---|---|"]
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    lines += [
        row(key, allowed, defaults[key], written(defaults[key])) for key, allowed in settings.ranges().items()
    ]
    for preset, values in settings.presets.items():
        meaning = ", ".join(f"{key}: {value}" for key, value in values.items()) or "the defaults"
        lines.append(f"| `preset: {preset}` | | | {meaning} |")
    return "\n".join(lines)


def row(key: str, allowed: Range, value: Any, default: str) -> str:
    """A row of such a table.

    Args:
        key: The setting.
        allowed: Its range and meaning.
        value: One that it may have, which says its type.
        default: What the table says of its default.
    """
    words = "true | false" if isinstance(value, bool) else str(allowed)
    cells = [cell.replace("|", "\\|") for cell in (f"`{key}`", default, words, allowed.doc)]
    return f"| {' | '.join(cells)} |"


def written(value: Any) -> str:
    """A value as a sweep file has it; a dash for an empty one."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value) or "–"


def reference() -> str:
    """The overview, then a section for each method."""
    sections = [section(name) for name in sorted(registered())]
    return "\n\n".join([overview(), *sections])


def section(name: str) -> str:
    """One method: what it does and computes, its passes, what it keeps, its source, its hyperparameters."""
    method = method_named(name)
    parts = [f"### {name}", f"{method.summary} Source: {method.source}"]
    if method.equation:
        lines = method.equation.replace("; ", "\n")
        parts.append(f"```\n{lines}\n```")
    kept = f" Keeps from step to step: {method.state}." if method.state else ""
    parts.append(f"Passes per step: {method.cost}.{kept}")
    if method.settings_type.ranges():
        parts.append(hyperparameters(name))
    return "\n\n".join(parts)


def renewed(page: str, content: Callable[[], str] = reference) -> str:
    """Returns a page whose text between the markers is generated anew.

    Args:
        page: Markdown with both markers.
        content: Generates the text; by default the methods' reference.

    Raises:
        UsageError: The page has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UsageError(f"the page needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{content()}\n{END}{after}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text()))
