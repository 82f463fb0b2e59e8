"""Examples in docstrings run as they stand, and return what they show."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SOURCES = [
    path
    for package in ("dropattack", "trainables", "analysis", "search")
    for path in sorted((_ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("source", _SOURCES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_examples_of_docstrings_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ".".join(source.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
    found = import_module(module)
    monkeypatch.chdir(tmp_path)
    failed = doctest.testmod(found).failed
    assert not failed, capsys.readouterr().out
