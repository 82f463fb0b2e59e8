"""Fixtures of this room's tests."""

from pathlib import Path

import pytest


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, which holds nothing yet."""
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / "cache"))
