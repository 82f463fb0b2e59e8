"""What changes a source's digest, and what does not."""

import ast
import copy
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainables.code.snippets import SINCE, SNIPPETS
from trainables.code.normal_form import normal_form, parse, source_digest

ROOT = Path(__file__).parents[3]


def digest(source: str | bytes) -> str:
    return source_digest(parse(source if isinstance(source, bytes) else source.encode()))


EQUAL = [
    ("x = 1", "x=1  # one\n\n"),
    ("x = (1 + 2) * 3", "x = (\n    ((1) + (2))\n    * 3\n)"),
    ("x = 'a'", 'x = "a"'),
    ("x = 'ab'", 'x = ("a"\n    """b""")'),
    ("x = 'a'", "x = u'a'"),
    ("x = 'a\\n'", "x = '''a\n'''"),
    ("x = '\\\\d'", "x = r'\\d'"),
    ("x = '\\d'", "x = '\\\\d'"),
    ("x = 1000", "x = 1_000"),
    ("x = 255", "x = 0xFF"),
    ("x = 1e3", "x = 1000.0"),
    ("f(a, b=1)", "f(\n    a,\n    b=1,\n)"),
    ("x = 1, 2", "x = (1, 2,)"),
    ("x = 1; y = 2", "x = 1\ny = 2"),
    ("import a.b, c", "import a.b, \\\n    c"),
    ("from a import b, c", "from a import (b, c)"),
    ("if a: b\nelif c: d", "if a:\n\tb\nelse:\n\tif c:\n\t\td"),
    ("with a, b: c", "with (a, b,): c"),
    ("f'{x}a'", 'f"{x}" "a"'),
    ("f'{x}'", "f'{ x }'"),
    ("x = f'a'", "x = 'a'"),
    ("def f(): return 1", "def f():\n    '''Documented.'''\n    return 1"),
    ("def f(): pass", "def f():\n    'Documented.'"),
    ("class A: pass", "class A:\n    '''Documented.'''\n    ..."),
    ("x = 1", "'''Documented.'''\nx = 1\n'''Documented too.'''"),
    ("async def f(): await g", "async def f():\n  'Documented.'\n  await g"),
    ("try: a\nexcept B: pass", "try: a\nexcept B: ...\nelse: pass\nfinally: pass"),
    ("x = 'é'", "x = '\\xe9'"),
    ("ﬁ = 1", "fi = 1"),
    (b"x = '\xc3\xa9'", b"# coding: latin-1\nx = '\xe9'"),
    (b"x = 1\ny = '''\n'''\n", b"\xef\xbb\xbfx = 1\r\ny = '''\r\n'''"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_layout_comments_and_docstrings_do_not_count(one: str | bytes, other: str | bytes) -> None:
    assert digest(one) == digest(other)


DIFFERENT = [
    ("x = 1", "x = 2"),
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 0", "x = False"),
    ("x = 0.0", "x = 0j"),
    ("x = None", "x = ..."),
    ("x = 1e-9", "x = 1e-8"),
    ("x = 0.1", "x = 0.10000000000000002"),
    ("x = 'a'", "x = b'a'"),
    ("x = 'a'", "x = a"),
    ("x = 'None'", "x = None"),
    ("x = 'é'", "x = 'e\\u0301'"),
    ("x = 1", "y = 1"),
    ("x = 1", "x: int = 1"),
    ("x: int", "(x): int"),
    ("x = a.b", "x = a.c"),
    ("x = a + b", "x = a - b"),
    ("x = (a + b) + c", "x = a + (b + c)"),
    ("x = a < b < c", "x = (a < b) < c"),
    ("x = (1)", "x = (1,)"),
    ("x = ''", "x = ()"),
    ("f(*a)", "f(a)"),
    ("f(a=b)", "f(b)"),
    ("{**a}", "{None: a}"),
    ("def f(*, a, b=1): pass", "def f(*, a=None, b=1): pass"),
    ("def f(a, b): pass", "def f(a, /, b): pass"),
    ("def f(a, b): pass", "def f(a, *, b): pass"),
    ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
    ("def f(): return", "def f(): pass"),
    ("def f(): a; b", "def f(): b; a"),
    ("def f(): a", "def f(): a\nb"),
    ("def f(): a\nb", "def f():\n a\n b"),
    ("def f(): pass", "async def f(): pass"),
    ("[x for x in y]", "async def f(): [x async for x in y]"),
    ("import a", "from . import a"),
    ("from . import a", "from .. import a"),
    ("import a.b", "import a.b as a"),
    ("for x in y: a\nelse: b", "for x in y: a\nb"),
    ("try: a\nfinally: b", "try: a\nexcept: b"),
    ("try: a\nexcept: b", "try: a\nexcept* C: b"),
    ("f'{x}'", "f'{x!r}'"),
    ("f'{x}'", "f'{x:5}'"),
    ("f'{x:5}'", "f'{x:{5}}'"),
    ("f'{x}'", "'{x}'"),
    ("f'{x}a'", "f'a{x}'"),
    ("f'{x=}'", "f'{x = }'"),
    ("match a:\n case None: b", "match a:\n case _: b"),
    ("match a:\n case None: b", "match a:\n case False: b"),
    ("match a:\n case [*x]: b", "match a:\n case [*_]: b"),
    ("match a:\n case x: b", "match a:\n case x.y: b"),
    ("@a\n@b\ndef f(): pass", "@b\n@a\ndef f(): pass"),
    ("class A(B): pass", "class A(metaclass=B): pass"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_computes_something_else_differs(one: str, other: str) -> None:
    assert digest(one) != digest(other)


LEAVES = {"id", "attr", "arg", "name", "module", "asname", "value", "op", "level"}
"""Fields of a syntax tree that hold names, literals and operators."""


def mutants(source: str) -> Iterator[ast.Module]:
    """Copies of a source's tree, each with one name, literal or operator changed."""
    tree = parse(source.encode())
    for number, node in enumerate(ast.walk(tree)):
        for field in {"id", "attr", "arg", "name", "module", "asname", "value", "op", "level"} & {
            *node._fields
        }:
            value = getattr(node, field)
            if isinstance(value, ast.operator | ast.unaryop):
                other: object = ast.Add() if isinstance(value, ast.Pow) else ast.Pow()
            elif isinstance(value, str | bytes):
                other = value + (b"x" if isinstance(value, bytes) else "x")
            elif isinstance(value, int | float | complex):
                other = type(value)(not value)
            else:
                continue
            mutant = copy.deepcopy(tree)
            setattr(list(ast.walk(mutant))[number], field, other)
            yield mutant


@pytest.mark.parametrize(
    "name", [name for name in SNIPPETS if name not in ("empty", "docstrings and constants")]
)
def test_every_leaf_counts(name: str) -> None:
    if sys.version_info[:2] < SINCE.get(name, (3, 11)):
        pytest.skip("this Python does not parse it")
    without_docstrings = SNIPPETS[name].replace('"A docstring."', "").replace('"Another.";', "")
    form = normal_form(parse(without_docstrings.encode()))
    forms = [normal_form(mutant) for mutant in mutants(without_docstrings)]
    assert len(forms) > 3
    assert form not in forms


def project() -> list[Path]:
    return sorted((ROOT / "search").rglob("*.py"))


def test_sources_that_python_writes_anew_are_the_same() -> None:
    for path in project():
        content = path.read_bytes()
        assert digest(ast.unparse(ast.parse(content))) == digest(content), path


def test_sources_in_another_layout_are_the_same(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "search", tmp_path / "search")
    layout = ["--line-length=60", "--config=format.quote-style='single'", "--config=indent-width=2"]
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--quiet", *layout, tmp_path], check=True
    )
    different = 0
    for path in project():
        formatted = (tmp_path / path.relative_to(ROOT)).read_bytes()
        assert digest(formatted) == digest(path.read_bytes()), path
        different += formatted != path.read_bytes()
    assert different > 30


def test_sources_may_be_deep_and_numbers_long() -> None:
    assert digest("x = " + "1 + " * 900 + "1") != digest("x = " + "1 + " * 900 + "2")
    assert digest(f"x = 0x{'f' * 9000}") != digest(f"x = 0x{'f' * 8999}e")


def test_a_doubtful_escape_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse(b"x = '\\d'")
