"""The modules that a source imports, read from its syntax."""

import ast
from collections.abc import Iterator
from importlib.util import resolve_name

_BY_NAME = {"import_module", "__import__"}
"""Functions that import the module that their first argument names."""


def imported(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    """Absolute names of all that a source may import, at its top, in functions or under a condition.

    ``from a import b`` yields ``a`` and ``a.b``, which may be no module. The names include the submodules in
    a package's ``__all__``, which ``import *`` imports, and literals in calls of ``import_module``. A name
    that is computed at run time cannot be read.

    Args:
        tree: The source.
        module: Its absolute name.
        is_package: Whether it is a package's ``__init__``.
    """
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                yield from _absolute("." * level + (base or ""), package, [alias.name for alias in names])
            case ast.Call(
                func=ast.Name(called) | ast.Attribute(attr=called), args=[ast.Constant(str(name)), *_]
            ):
                if called in _BY_NAME:
                    yield from _absolute(name, package)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value) if is_package:
                offered = [part.value for part in ast.walk(value) if isinstance(part, ast.Constant)]
                yield from (f"{module}.{name}" for name in offered if isinstance(name, str))


def _absolute(name: str, package: str, inside: list[str] | None = None) -> Iterator[str]:
    """A module's absolute name, and those of what is imported from it; nothing beyond the topmost package."""
    try:
        base = resolve_name(name, package)
    except ImportError:
        return
    yield base
    yield from (f"{base}.{part}" for part in inside or [] if part != "*")
