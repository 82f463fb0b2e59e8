"""What failed, in few lines: by hand, and as runs and `dropattack status` print it."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from search.console.failed import failure_lines
from search.console.presentation import show_outcome, show_status
from search.console.progress import ProgressView
from search.console.status import Status
from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.results.outcome import Outcome
from tests.search.simulation import Driver, engine, sweep

BROKE = "RuntimeError: sensor broke at 0.{} (waves.py:31 in forward)"


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Six trials: four failed alike, one by another line of the same file, and one is not finished."""
    driver = Driver(engine(tmp_path, sweep(**GRID)))
    driver.run()
    found = [
        replace(record, written_name=f"t{number}") for number, record in enumerate(driver.engine.records)
    ]
    reasons = [BROKE.format(number) for number in range(4)] + [BROKE.format(1).replace("31", "32")]
    failed = [
        replace(r, state=State.FAILED, reason=reason) for r, reason in zip(found, reasons, strict=False)
    ]
    return [*failed, replace(found[5], state=State.RUNNING)]


GRID = {
    "stages": [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 0.2, 0.3]}}}],
    "seeds": [0, 1],
}
LINES = [
    "4 failed: RuntimeError: sensor broke at … (waves.py:31 in forward): t0, t1, t2 and 1 more",
    "1 failed: RuntimeError: sensor broke at 0.1 (waves.py:32 in forward): t4",
]


def test_each_reason_has_a_line_with_the_first_few_trials(records: list[Record]) -> None:
    assert failure_lines(records[:5]) == LINES
    assert failure_lines(reversed(records[:5]))[1] == LINES[1]
    assert failure_lines([]) == []
    assert failure_lines([replace(records[0], reason="")]) == ["1 failed: no reason recorded: t0"]


def _ended(definition: Sweep, records: list[Record], typed: str) -> str:
    text = io.StringIO()
    outcome = Outcome(records, False, "", Path("report"), 3.0, "", 1)
    show_outcome(Console(file=text, width=300), definition, outcome, Path("runs"), "", typed)
    return text.getvalue()


@pytest.mark.parametrize("typed", ["dropattack run w.yaml --store s", "dropattack run w.yaml --retry-failed"])
def test_the_end_of_a_run_groups_them_and_gives_a_command_that_works(
    records: list[Record], typed: str
) -> None:
    said = _ended(sweep(**GRID), records, typed)
    first, *others = said.splitlines()
    assert first == "6 trials: 1 unfinished, 5 failed · 3 s"
    assert [line for line in others if " failed: " in line] == LINES
    (hint,) = (line for line in others if "--retry-failed" in line)
    command = typed if "--retry-failed" in typed else f"{typed} --retry-failed"
    assert hint.startswith(f"`{command}` tries 5 failed trials again; ")
    diverged = [replace(record, reason="DivergedError: nan") for record in records]
    assert "--retry-failed" not in _ended(sweep(**GRID), diverged, "dropattack run w.yaml")


def test_status_groups_them(records: list[Record]) -> None:
    text = io.StringIO()
    show_status(Console(file=text, width=300), sweep(**GRID), records, 6)
    assert text.getvalue().splitlines()[-2:] == LINES


@pytest.mark.parametrize("terminal", [True, False])
def test_while_a_run_goes_on_the_first_failure_of_each_reason_is_printed(
    records: list[Record], terminal: bool
) -> None:
    text = io.StringIO()
    console = Console(file=text, width=300, force_terminal=terminal, color_system=None)
    with ProgressView(Status(sweep(**GRID), [], 6), console, sweep(**GRID)) as view:
        for record in records:
            view.update(record)
    told = [line for line in text.getvalue().splitlines() if "sensor broke" in line]
    assert [line[line.index("failed") :] for line in told] == [
        f"failed t0: {records[0].reason}",
        f"failed t4: {records[4].reason}",
    ]
