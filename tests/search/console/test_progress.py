"""What is seen while a sweep runs: on a terminal, and where lines are kept."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from search.console.doing import doing
from search.console.progress import ProgressView
from search.console.spelling import spell_out
from search.console.status import Status
from tests.search.simulation import Driver, engine, sweep

WIDTH = 100


def _terminal(file: io.StringIO) -> Console:
    return Console(file=file, force_terminal=True, width=WIDTH, color_system=None)


def test_a_terminal_shows_stage_baseline_leader_and_the_last_trials(tmp_path: Path) -> None:
    tested = engine(tmp_path, sweep())
    status = Status(sweep(), [], tested.total)
    view = ProgressView(status, _terminal(io.StringIO()), sweep())
    assert "0/28" in _seen(view)
    seen: dict[str, str] = {}

    def look(record: object) -> None:
        view.update(record)  # type: ignore[arg-type]  # an engine's listener takes a record
        seen[status.stage] = _seen(view)

    tested.listeners.append(look)
    Driver(tested).run()
    for number, stage in enumerate(("baseline", "grid", "search", "confirm"), 1):
        assert f"stage {number} of 4: {stage}" in seen[stage]
    assert "best so far" not in seen["baseline"].partition("stage")[0]
    assert re.search(
        r"validation accuracy: baseline \d\d\.\d\d % \(2 seeds\) · best so far \d\d\.\d\d % "
        r"\(\d seeds?, [+−]\d\.\d\d points on the same seeds?\): dropattack input",
        seen["search"],
    )
    assert re.search(
        r"^  (complete|pruned) \d\d\.\d\d %: dropattack .* seed=\d$", seen["search"], re.MULTILINE
    )
    assert seen[""].startswith("━"), "the end"


def test_every_workload_has_its_line(tmp_path: Path) -> None:
    definition = sweep(
        stages=[{"name": "grid", "methods": {"dropattack": {}}}],
        workloads=["digits-lenet5", "mnist-lenet5"],
    )
    driver = Driver(engine(tmp_path, definition))
    driver.run()
    status = Status(definition, driver.engine.records, 4)
    text = _seen(ProgressView(status, Console(quiet=True), definition))
    for workload in definition.workloads:
        assert f"\n{workload}, validation accuracy: best so far" in text


def _seen(view: ProgressView) -> str:
    text = io.StringIO()
    Console(file=text, width=300).print(view.block())
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_encoding_of_the_terminal_ends_a_run(tmp_path: Path, encoding: str, terminal: bool) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    spell_out(stream)
    console = Console(file=stream, force_terminal=terminal, width=WIDTH)
    tested = engine(tmp_path, sweep())
    with doing(console, "starting Ray"):
        console.print("ε")
    with ProgressView(Status(sweep(), [], tested.total), console, sweep()) as view:
        tested.listeners.append(view.update)
        Driver(tested).run()
    stream.flush()
    assert b"starting Ray" in raw.getvalue()


def test_a_file_has_a_line_at_once_and_few_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes a second an update, over 300 updates."""
    now = [0.0]
    monkeypatch.setattr("search.console.progress.time.monotonic", lambda: now[0])
    text = io.StringIO()
    tested = engine(tmp_path, sweep())
    record = tested.next()
    assert record is not None
    with ProgressView(Status(sweep(), [], tested.total), Console(file=text, width=300), sweep()) as view:
        assert text.getvalue() == "training: 0/28\n"
        for _ in range(300):
            now[0] += 1
            view.update(record)
    assert 15 <= text.getvalue().count("\n") <= 35


def test_what_is_done_is_said_before_it_is_done() -> None:
    text = io.StringIO()
    with doing(Console(file=text), "starting Ray"):
        assert text.getvalue() == "starting Ray…\n"
    text = io.StringIO()
    with pytest.raises(KeyError), doing(_terminal(text), "starting Ray"):
        raise KeyError("what happens meanwhile is not swallowed")
    assert "starting Ray… 0 s" in text.getvalue()


def test_a_request_that_may_be_refused_leaves_no_line() -> None:
    text = io.StringIO()
    with doing(Console(file=text), "checking", may_refuse=True):
        assert text.getvalue() == ""
