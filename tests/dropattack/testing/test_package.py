"""The package of contracts: what it exports, and what it says where pytest is missing."""

import importlib.util
import sys

import pytest

import dropattack.testing


def test_every_contract_is_exported() -> None:
    for name in dropattack.testing.__all__:
        assert getattr(dropattack.testing, name).__name__ == name
    assert not hasattr(dropattack.testing, "NoSuchContract")


def test_without_pytest_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    spec = importlib.util.spec_from_file_location("fresh", dropattack.testing.__file__)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(
        ImportError, match=r"^dropattack.testing needs pytest: pip install 'dropattack\[testing\]'$"
    ):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
