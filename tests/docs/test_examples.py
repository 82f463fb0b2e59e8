"""The examples of pages: what they import is there, and what they show as a sweep is one."""

import ast

import pytest
import yaml

from search.definition.sweepfile import parse_sweep
from tests.docs.pages import PAGES, examples, files

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
    "code", [pytest.param(code, id=page) for page in PAGES for code in examples(page, "yaml")]
)
def test_what_a_page_shows_as_a_sweep_is_one(code: str) -> None:
    parse_sweep(SWEEP | yaml.safe_load(code))


def test_the_readmes_way_to_use_a_method_alone_takes_a_step() -> None:
    (code,) = (code for code in examples("README.md", "python") if "dropattack.create" in code)
    names: dict[str, object] = {}
    exec(code.replace("method.step", "before = model[0].weight.clone()\nresult = method.step"), names)
    model, result, before = names["model"], names["result"], names["before"]
    assert result.outputs.shape == (3, 2)  # type: ignore[attr-defined]
    assert not model[0].weight.equal(before)  # type: ignore[index]


def test_an_import_that_is_gone_would_be_seen() -> None:
    (statement,) = imports("def f():\n    from trainables.splits import Split")
    with pytest.raises(ModuleNotFoundError):
        test_what_an_example_imports_is_there(statement)
