"""Every command as tables for people: arguments, options, defaults, environment variables, exit statuses.

    python -m search.catalogue.commands docs/reference/commands.md

renews the tables between the markers of a Markdown page.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from dropattack.catalogue import renewed
from search.cli import app

PROGRAM = "dropattack"


def reference() -> str:
    """An overview, then a section for each command, and one for what stands before all of them."""
    root = typer.main.get_command(app)
    found = list(commands(root))
    overview = ["| command | what it does |", "|---|---|"]
    overview += [f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(_first(each))} |" for name, each in found]
    before = f"### Options before a command\n\n```\n{PROGRAM} [OPTIONS] COMMAND …\n```\n\n{table(root)}"
    return "\n\n".join(["\n".join(overview), before, *(section(*each) for each in found)])


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command below one, by its whole name, such as ``store check``; groups are their members."""
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path), command
        return
    for name, each in below.items():
        yield from commands(each, (*path, name))


def section(name: str, command: Any) -> str:
    """One command: how it is called, what it does, its arguments and options."""
    words = [PROGRAM, name, *map(_argument, filter(_is_argument, command.params))]
    words += ["[OPTIONS]"] * any(not _is_argument(each) for each in command.params)
    text = inspect.cleandoc(command.help or "")
    return f"### {name}\n\n```\n{' '.join(words)}\n```\n\n{text}\n\n{table(command)}"


def table(command: Any) -> str:
    """A Markdown table of a command's arguments and options."""
    lines = ["| argument or option | default | environment | meaning |", "|---|---|---|---|"]
    for each in command.params:
        written = _argument(each) if _is_argument(each) else _option(each)
        variable = f"`{each.envvar}`" if each.envvar else "–"
        lines.append(f"| `{written}` | {_default(each)} | {variable} | {_cell(each.help or '')} |")
    return "\n".join(lines)


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _argument(parameter: Any) -> str:
    word = parameter.metavar or parameter.name.upper()
    many = parameter.nargs == -1 and not word.endswith("...")
    word = f"{word}..." if many else word
    return word if parameter.required or word.startswith("[") else f"[{word}]"


def _option(parameter: Any) -> str:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return names
    number = isinstance(parameter.default, int)
    return f"{names} {parameter.metavar or ('N' if number else parameter.opts[0].strip('-').upper())}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if parameter.nargs == -1 or getattr(parameter, "multiple", False):
        return "–" if _is_argument(parameter) else "none; may be repeated"
    if value is True:
        return f"`{parameter.opts[0]}`"
    return "–" if value is False or value in (None, "") else f"`{value}`"


def _first(command: Any) -> str:
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8"), reference), encoding="utf-8")
