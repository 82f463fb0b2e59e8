"""Every registered method as a table for people, so that no page needs to repeat what the code declares.

    python -m dropattack.catalogue docs/reference/methods.md

renews the tables between the markers of a Markdown page.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import dropattack.methods  # noqa: F401  registers them
from dropattack.errors import UsageError
from dropattack.registry import method_named, registered
from dropattack.settings import Settings

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
    for key, allowed in settings.ranges().items():
        default = defaults[key]
        shown = f"{default:.4g}" if isinstance(default, float) else str(default).lower() or "–"
        words = "true | false" if isinstance(default, bool) else str(allowed)
        cells = [cell.replace("|", "\\|") for cell in (f"`{key}`", shown, words, allowed.doc)]
        lines.append(f"| {' | '.join(cells)} |")
    for preset, values in settings.presets.items():
        meaning = ", ".join(f"{key}: {value}" for key, value in values.items()) or "the defaults"
        lines.append(f"| `preset: {preset}` | | | {meaning} |")
    return "\n".join(lines)


def reference() -> str:
    """The overview, then a section for each method."""
    sections = [
        f"### {name}\n\n{method.summary} {method.source}\n\n{hyperparameters(name)}"
        for name, method in sorted(registered().items())
        if method.settings_type.ranges()
    ]
    return "\n\n".join([overview(), *sections])


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
