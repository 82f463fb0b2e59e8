"""The log has the whole traceback of what failed, and not once for each trial."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from search.records.record import Record
from tests.search.execution.test_stacks import GRID, Processes, guilty
from tests.search.simulation import sweep
from trainables.trainable import FAILURE, TRACEBACK


def test_each_different_traceback_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fault(stack: Sequence[Record]) -> dict[str, Any] | None:
        if not guilty(stack[0]):
            return None
        line = "x / 0" if stack[0].trial.seed else "x[9]"
        text = (
            f'Traceback:\n  File "waves.py", line 31, in forward\n    {line}\nError: at {len(caplog.text)}\n'
        )
        return {FAILURE: "it was me", TRACEBACK: text}

    processes = Processes(tmp_path, sweep(**GRID), lanes=1, slots=1, fault=fault)
    processes.run()
    assert len([record for record in processes.engine.records if guilty(record)]) > 2
    logged = [message for message in caplog.messages if "Traceback" in message]
    assert [message.splitlines()[3].strip() for message in logged] == ["x[9]", "x / 0"]
    for message in logged:
        key, text = message.splitlines()[0].split(" ", 1)
        assert text == "failed:"
        assert key in {record.key for record in processes.engine.records if guilty(record)}
