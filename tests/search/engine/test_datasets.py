"""A part of a known dataset is said wherever somebody looks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from search.engine.datasets import remarks_on_incomplete_data
from search.records.notes import DATA
from search.records.store import Store
from search.results.reporting import report_sweep
from tests.search.simulation import Driver, engine, sweep

Command = Callable[..., Result]
SAID = "agnews-bigru trains on a part of its dataset: 120 of the 127,600 published examples"
SWEEP = """
name: news
workload: agnews-bigru
data: {vectors: ""}
training: {epochs: 1}
stages: [{name: grid, methods: {standard: {}}}]
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "ag_news_csv").mkdir(parents=True)
    for half in ("train", "test"):
        lines = (f'"{i % 4 + 1}","{half} title {i}","text {i}"\n' for i in range(60))
        (tmp_path / "data" / "ag_news_csv" / f"{half}.csv").write_text("".join(lines))
    return tmp_path / "data"


def test_a_plan_says_it(command: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "news.yaml").write_text(SWEEP)
    assert SAID in command("plan", "news.yaml").stdout
    assert SAID in command("plan", "news.yaml", "--json").stderr
    assert "120 of the 127,600 published examples" in command("data", "verify", "agnews").stdout


def test_whole_data_are_not_mentioned(tmp_path: Path) -> None:
    assert remarks_on_incomplete_data(sweep(), tmp_path) == []


def test_a_report_says_what_a_run_noted(tmp_path: Path) -> None:
    store, definition = Store(tmp_path), sweep(stages=[{"name": "grid", "methods": {"standard": {}}}])
    Driver(engine(store.folder("small"), definition)).run()
    store.define(definition)
    store.note("small", DATA, [SAID])
    page = report_sweep("small", store, formats=("html", "md"))
    assert f"{SAID}." in page.read_text(encoding="utf-8")
    assert f"- {SAID}." in page.with_suffix(".md").read_text(encoding="utf-8")
    store.note("small", DATA, [])
    assert SAID not in report_sweep("small", store).read_text(encoding="utf-8")
