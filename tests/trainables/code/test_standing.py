"""Noted code beside what is here now, without running any."""

import importlib
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from trainables.code.definition import code_of
from trainables.code.standing import differs, is_absent


def test_own_modules_differ_as_their_sources_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `code_of` finds them of an imported twin, and without an import."""
    monkeypatch.syspath_prepend(str(tmp_path))
    text = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n\n\ndef f():\n    return 1\n"
    (tmp_path / "standing_pkg").mkdir()
    own = tmp_path / "standing_pkg" / "own.py"
    for path in (own, own.with_name("__init__.py"), tmp_path / "standing_twin.py"):
        path.write_text(text)
    twin = "standing_twin"
    noted = code_of(importlib.import_module(twin))
    assert noted is not None
    digest = noted.modules[twin]
    (tmp_path / "ran").unlink()
    assert not differs("standing_pkg.own", digest)
    own.write_text(f"# a remark\n{text}")
    assert not differs("standing_pkg.own", digest)
    own.write_text(text.replace("return 1", "return 2"))
    assert differs("standing_pkg.own", digest)
    assert not (tmp_path / "ran").exists()


def test_installed_packages_differ_as_their_versions_do() -> None:
    assert not differs("numpy", version("numpy"))
    assert differs("numpy", "0.0.1")
    assert not differs("filelock", version("filelock"))


@pytest.mark.parametrize(
    "name", ["os", "no_such", "no_such.at.all", "../x", "", "a b", "x" * 300, "antigravity"]
)
def test_what_is_not_a_users_here_is_no_change(name: str) -> None:
    assert not differs(name, "0123456789abcdef")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("name", ["no_such", "no_such.at.all", "../x", "", "a b", "x" * 300])
def test_what_is_nowhere_is_absent(name: str) -> None:
    assert is_absent(name)


@pytest.mark.parametrize("name", ["os", "antigravity", "numpy", "filelock", "typing-extensions"])
def test_modules_and_distributions_that_are_here_are_not_absent(name: str) -> None:
    assert not is_absent(name)
    assert "antigravity" not in sys.modules
