"""A store that goes away before the trials or after them ends a run; it is no request that was refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

import search.session
from search.notification import End
from search.records.record import Record
from search.records.store import Store
from search.results.outcome import StoreError
from search.service import run_sweep
from tests.search.simulation import sweep
from tests.search.test_service import GRID, FakeProjection
from trainables.remote.bucket import RemoteError


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("note_run", 1),
        ("note_code", 1),
        ("define", 1),
        ("note_total", 1),
        ("note_extent", 1),
        ("note_total", 2),
        ("note_extent", 2),
    ],
)
def test_it_is_told_and_is_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, call: int
) -> None:
    told: list[tuple[str, str]] = []

    def tell(end: End, state: str, records: Sequence[Record] | None = None, error: str = "") -> str:
        told.append((state, error))
        return ""

    calls: list[str] = []

    def goes_away(*_: object, **__: object) -> None:
        calls.append(method)
        if len(calls) == call:
            raise RemoteError("s3://gone cannot be reached")

    store = Store(tmp_path / "runs")
    monkeypatch.setattr(End, "tell", tell)
    monkeypatch.setattr(search.session, "Projection", FakeProjection)
    monkeypatch.setattr(search.session, "write_report", lambda *_: tmp_path / "report.html")
    monkeypatch.setattr(store, method, goes_away)
    with pytest.raises(StoreError, match=r"s3://gone cannot be reached.*nothing recorded is lost") as raised:
        run_sweep(sweep(**GRID), store, tmp_path, Console(quiet=True))
    assert "\n" not in str(raised.value)
    assert told == [("failed", str(raised.value))]
