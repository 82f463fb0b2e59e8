"""What all tests of reports share."""

import pytest

from analysis.questions import importance


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are written often here, and the intervals of importances are tested by themselves."""
    monkeypatch.setattr(importance, "RESAMPLES", 10)
