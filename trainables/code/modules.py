"""The user's own modules that a module imports, found the way Python finds them, without running any."""

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import accumulate
from pathlib import Path

from dropattack import UsageError
from trainables.code.imports import imported
from trainables.code.normal_form import parse, source_digest
from trainables.code.origin import Origin, origin_of

_SCRIPT = {"__main__", "__mp_main__"}
"""Names of the file that was started, in its own process and in those that multiprocessing starts."""

_COMPILED = (*EXTENSION_SUFFIXES, *BYTECODE_SUFFIXES)


@dataclass(frozen=True)
class Source:
    """The content of a module's file.

    Attributes:
        digest: 16 hexadecimal digits: of the normal form of a source, of the bytes of a compiled module.
        imports: Absolute names of the modules that it may import.
        defines: Names of its functions and classes, those inside others too; ``None`` if it is compiled.
    """

    digest: str
    imports: tuple[str, ...]
    defines: frozenset[str] | None


def own_modules(first: ModuleSpec) -> Mapping[str, Source]:
    """Finds a module of the user's, and the user's modules that it imports, directly or through others.

    They include the packages around these modules, since Python runs a package's ``__init__`` first. They
    leave out modules that do not exist, since an import of one may be guarded.

    Args:
        first: Where `find` found the module.

    Returns:
        Sources by the modules' absolute names.

    Raises:
        UsageError: A file cannot be read or parsed.
    """
    found = {first.name: _source(first)}
    waiting = [first.name, *found[first.name].imports]
    while waiting:
        for name in _with_parents(waiting.pop()):
            if name in found:
                continue
            spec = find(name)
            if spec is None:
                break
            if spec.origin is None and spec.submodule_search_locations is not None:
                continue  # a namespace package, which has no code
            if origin_of(spec) is not Origin.OWN:
                break
            found[name] = _source(spec)
            waiting += found[name].imports
    return found


def find(name: str) -> ModuleSpec | None:
    """Finds where a module is, whether it is imported already or not.

    Args:
        name: Its absolute name. The module that Python was started with, ``__main__``, is found under the
            name by which others import it.

    Returns:
        Its specification; ``None`` if there is no such module, or if it has no file, such as a notebook's
        ``__main__``.
    """
    if name in sys.modules:
        return _imported(name)
    parent = name.rpartition(".")[0]
    path = _path(parent) if parent else None
    if parent and not path:
        return None
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except KeyError:  # Python looks up a nested namespace package's parent among imported modules
            spec = _nested_namespace(name, path or [])
        if spec is not None:
            return spec
    return None


def _imported(name: str) -> ModuleSpec | None:
    module = sys.modules[name]
    spec = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None)
    if isinstance(spec, ModuleSpec):
        return spec
    if not isinstance(file, str):
        return None
    name = Path(file).stem if name in _SCRIPT else name
    return spec_from_file_location(name, Path(file).absolute(), loader=SourceFileLoader(name, file))


def _path(package: str) -> list[str]:
    """The folders that hold a package's submodules; none if it is no package."""
    loaded = getattr(sys.modules.get(package), "__path__", None)
    spec = None if loaded else find(package)
    return list(loaded or (spec and spec.submodule_search_locations) or [])


def _nested_namespace(name: str, path: list[str]) -> ModuleSpec | None:
    portions = [folder for entry in path if (folder := Path(entry, name.rpartition(".")[2])).is_dir()]
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder) for folder in portions]
    return spec if portions else None


def _with_parents(name: str) -> Iterator[str]:
    """``a``, ``a.b`` and ``a.b.c`` of ``a.b.c``."""
    return accumulate(name.split("."), lambda package, part: f"{package}.{part}")


def _source(spec: ModuleSpec) -> Source:
    file = spec.origin or ""
    try:
        content = _content(spec, file)
    except OSError as error:
        raise UsageError(
            f"cannot read {file} ({error.strerror}), whose code is part of a trial; make it readable"
        ) from error
    if file.endswith(_COMPILED):
        return Source(hashlib.sha256(content).hexdigest()[:16], (), None)
    try:
        return _read(content, spec.name, spec.submodule_search_locations is not None)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise UsageError(f"cannot parse {file}{line} ({reason}); correct it or do not import it") from error


def _content(spec: ModuleSpec, file: str) -> bytes:
    """A file's bytes, read by its loader where that can, since it may lie in a zip archive."""
    get_data = getattr(spec.loader, "get_data", None)
    content: bytes = get_data(file) if get_data else Path(file).read_bytes()
    return content


@lru_cache(maxsize=1024)
def _read(content: bytes, module: str, is_package: bool) -> Source:
    """Cached by content, since an edit such as from 1e-8 to 1e-9 may keep a file's time and size."""
    tree = parse(content)
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return Source(
        digest=source_digest(tree),
        imports=tuple(dict.fromkeys(imported(tree, module, is_package))),
        defines=frozenset(node.name for node in ast.walk(tree) if isinstance(node, defined)),
    )
