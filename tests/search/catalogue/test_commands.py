"""The page of all commands says what the command line's own help says."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dropattack.catalogue import renewed
from search.catalogue import commands
from search.cli import app

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"
FOUND = dict(commands.commands(typer.main.get_command(app)))
OPTION = re.compile(r"(?<![\w=-])--[a-z][a-z-]*")


def helped(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    return result.output


def test_the_page_has_every_command_as_the_code_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page, commands.reference) == page, (
        "run: python -m search.catalogue.commands docs/reference/commands.md"
    )


@pytest.mark.parametrize("name", FOUND)
def test_a_command_has_the_options_of_its_help(name: str) -> None:
    rows = re.findall(r"^\| `(.*?)` \|", commands.table(FOUND[name]), re.MULTILINE)
    ours = {option for row in rows for option in OPTION.findall(row)}
    said = {option for line in helped(*name.split()).splitlines() for option in _declared(line)}
    assert ours == said - {"--help"}


def _declared(line: str) -> list[str]:
    """Options that begin a line of a help text, the frame around it left out."""
    found = re.match(r"[│|* ]*((?:--[a-z-]+[ ,]*)+)", line)
    return OPTION.findall(found[1]) if found else []


def test_every_command_and_group_of_the_help_is_there() -> None:
    named = {name.split()[0] for name in FOUND}
    assert named == set(re.findall(r"^[│|] +([a-z]+)  ", helped(), re.MULTILINE))


def test_every_variable_that_an_option_reads_is_explained() -> None:
    page, variables = PAGE.read_text(encoding="utf-8"), set()
    for command in FOUND.values():
        variables |= {each.envvar for each in command.params if each.envvar}
    explained = page.partition("## Environment variables")[2].partition("## All commands")[0]
    assert {name for name in variables if f"| `{name}` |" not in explained} == set()


def sample(
    first: list[str],
    number: int = 3,
    several: list[str] | None = None,
    loud: bool = typer.Option(True, "--loud/--quiet", help="Loud | quiet."),
    where: str = typer.Option(..., "--where", envvar="WHERE"),
) -> None:
    """Does it.

    Exit status 0: done.
    """


def test_arguments_and_options_are_written_as_one_types_them() -> None:
    own = typer.Typer(add_completion=False)
    own.command()(sample)
    command: Any = typer.main.get_command(own)
    text = commands.section("sample", command)
    assert "dropattack sample FIRST... [OPTIONS]" in text
    assert "Does it.\n\nExit status 0: done." in text
    assert commands.table(command).splitlines()[2:] == [
        "| `FIRST...` | required | – |  |",
        "| `--number N` | `3` | – |  |",
        "| `--several SEVERAL` | none; may be repeated | – |  |",
        "| `--loud, --quiet` | `--loud` | – | Loud \\| quiet. |",
        "| `--where WHERE` | required | `WHERE` |  |",
    ]
