"""The examples of pages: what they import is there, and what they show as a sweep is one."""

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from search.cli import app
from search.definition.sweepfile import parse_sweep
from tests.docs.pages import PAGES, ROOT, examples, files, text_of
from tests.docs.walk import here
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import workload_named

SWEEP = {
    "name": "mine",
    "workload": "digits-lenet5",
    "stages": [{"name": "all", "methods": {"standard": {}}}],
}
"""What an example that shows a few keys is part of."""


SHOWN = {f"import {name.removesuffix('.py')}" for page in PAGES for name in files(page)}
"""Imports of files that pages show."""


def imports(code: str) -> list[str]:
    """The import statements of a program, wherever they stand in it, of files that pages do not show."""
    found = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Import | ast.ImportFrom)]
    return [statement for statement in map(ast.unparse, found) if statement not in SHOWN]


@pytest.mark.parametrize(
    "statement",
    sorted({found for page in PAGES for code in examples(page, "python") for found in imports(code)}),
)
def test_what_an_example_imports_is_there(statement: str) -> None:
    exec(statement, {})


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=page)
        for page in PAGES
        for code in examples(page, "yaml")
        if not re.match(r"# \w+\.yaml$", code, re.MULTILINE)  # a file of a tutorial, which is followed
    ],
)
def test_what_a_page_shows_as_a_sweep_is_one(code: str) -> None:
    parse_sweep(SWEEP | yaml.safe_load(code))


def test_the_readme_installs_the_torch_that_is_tested() -> None:
    wanted = re.findall(r"\b(torch\w*==[\d.]+)", text_of("README.md"))
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(wanted) == 2
    assert set(wanted) <= set(tested)


def test_the_readmes_own_model_trains_on_a_table(tmp_path: Path) -> None:
    (code,) = (code for code in examples("README.md", "python") if "Workload" in code)
    (tmp_path / "churn.py").write_text(code, encoding="utf-8")
    rows = "\n".join(f"{n},{n % 2},{'yes' if n % 2 else 'no'}" for n in range(40))
    data = tmp_path / "data"
    data.mkdir()
    (data / "customers.csv").write_text(f"age,kind,churned\n{rows}\n", encoding="utf-8")
    with here(tmp_path) as shell:
        shell.find_modules()
        workload = workload_named("churn:workload")
        trial = Trial.make(
            workload.name,
            "dropattack",
            {"targets": "input+first"},
            workload.training,
            0,
            workload.checksum(data),
        )
        assert Training(trial, workload.load(data)).epoch()["train_loss"] > 0


def test_the_citation_names_this_version_and_the_papers_of_the_page() -> None:
    citation = ROOT / "CITATION.cff"
    named = yaml.safe_load(citation.read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (named["version"], named["license"]) == (project["version"], project["license"])
    titles = [paper["title"] for paper in named["references"]]
    page = " ".join(text_of("docs/how-to/cite.md").split()).lower()
    assert [title for title in titles if title.lower() not in page] == []


def test_an_import_that_is_gone_would_be_seen() -> None:
    (statement,) = imports("def f():\n    from trainables.splits import Split")
    with pytest.raises(ModuleNotFoundError):
        test_what_an_example_imports_is_there(statement)


COMMAND = re.compile(r"(?:^|-- |&& )(?:\w+=\S+ )*(?:(?:\.venv/bin/)?dropattack|python -m search) (.*)")


def shown_commands(text: str) -> list[str]:
    """What follows the program's name in the commands of a text's fenced blocks, each in one line."""
    shown = re.findall(r"^```(?:bash|sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = "".join(shown).replace("\\\n", "").splitlines()
    return sorted({found[1] for found in map(COMMAND.search, lines) if found})


def missing_options(line: str) -> list[str]:
    """Options of a command that it does not have."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(line, comments=True)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [name for name in given if name not in known]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_that_a_page_shows_have_their_options(page: str) -> None:
    assert {
        line: missing_options(line) for line in shown_commands(text_of(page)) if missing_options(line)
    } == {}


def test_an_option_that_is_gone_would_be_seen() -> None:
    lines = shown_commands(
        "```bash\n.venv/bin/dropattack data fetch x \\\n  --data d --vanished 3  # why\n```\n"
    )
    assert [missing_options(line) for line in lines] == [["--vanished"]]
