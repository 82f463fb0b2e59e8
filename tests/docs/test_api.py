"""The page of the Python API has every public name, and what it has is public."""

import inspect
import pkgutil
import re
from importlib import import_module
from typing import Any

import pytest

from tests.docs.pages import text_of

PAGE = text_of("docs/reference/api.md")
TABLES, _, RENDERED = PAGE.partition("\n## Methods\n")
OBJECTS = re.findall(r"^::: (\S+)$", RENDERED, re.MULTILINE)
SECTIONS = dict(
    re.findall(r"^### [^`\n]*`import ([\w.]+)`\n(.*?)(?=^### |\Z)", TABLES, re.MULTILINE | re.DOTALL)
)
WHOLE = ["dropattack", "search", "trainables", "analysis", "dropattack.testing"]
"""Packages of which the page has every public name; of others it has a choice."""


def named(package: str) -> list[str]:
    """Names in the first column of a package's table."""
    first = re.findall(r"^\| (`.*?) \| ", SECTIONS[package], re.MULTILINE)
    return [name for cell in first for name in re.findall(r"`([\w.]+)`", cell)]


@pytest.mark.parametrize("package", WHOLE)
def test_every_public_name_is_in_the_table_once(package: str) -> None:
    modules = [name for name in named(package) if "." in name]
    assert sorted(set(named(package)) - set(modules)) == sorted(import_module(package).__all__)
    assert len(set(named(package))) == len(named(package))


@pytest.mark.parametrize("package", sorted(set(SECTIONS) - set(WHOLE)))
def test_what_is_chosen_of_a_package_is_public(package: str) -> None:
    assert set(named(package)) <= set(import_module(package).__all__)


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_of_the_page_is_in_a_table_and_says_what_it_is(name: str) -> None:
    package, _, own = name.rpartition(".")
    found: Any = pkgutil.resolve_name(name)
    assert name in TABLES or own in named(package)
    assert inspect.getdoc(found)


@pytest.mark.parametrize("name", OBJECTS)
def test_examples_of_docstrings_are_in_a_section_that_renders(name: str) -> None:
    """Google's word is ``Examples``; under another one the site shows no code."""
    found: Any = pkgutil.resolve_name(name)
    inside = vars(found).values() if inspect.isclass(found) or inspect.ismodule(found) else ()
    ours = [each for each in inside if str(getattr(each, "__module__", "")).split(".")[0] in WHOLE]
    for each in [found, *ours]:
        text = each.__doc__ or ""
        assert ">>>" not in text or re.search(r"^\s*Examples:$", text, re.MULTILINE), each


def test_the_page_renders_most_of_what_is_public() -> None:
    assert len(OBJECTS) > 60
    assert set(SECTIONS) > set(WHOLE)
