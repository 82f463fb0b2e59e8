"""A folder of a user's modules on the import path."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from trainables.code.definition import code_of
from trainables.code.modules import find, own_modules


class Folder:
    """Modules of a user's.

    Attributes:
        path: Where they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, sources: Mapping[str, str]) -> None:
        """Writes files by their paths within the folder."""
        for name, source in sources.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
        importlib.invalidate_caches()

    def code(self, definition: str) -> Mapping[str, str]:
        """The modules of the code of ``module:name``, which is imported first, or of ``module``."""
        module_name, _, name = definition.partition(":")
        module = importlib.import_module(module_name)
        code = code_of(getattr(module, name) if name else module)
        assert code is not None
        return code.modules

    def covered(self, module: str = "mine") -> set[str]:
        """Names of the modules that a module's code consists of, without importing it."""
        spec = find(module)
        assert spec is not None
        return set(own_modules(spec))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """An empty folder, first on the import path; what is imported from it meanwhile is forgotten."""
    path = tmp_path / "users"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    before = set(sys.modules)
    yield Folder(path)
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if str(tmp_path) in f"{getattr(module, '__file__', '')} {getattr(module, '__path__', '')}":
            del sys.modules[name]
