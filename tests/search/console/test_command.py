"""Words that are no command: one line, status 2, and where to look."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run"], "Missing argument 'SWEEP'; see python -m search run --help"),
        (["plan", "demo", "--stoer", "x"], "see python -m search plan --help"),
        (["runn", "demo"], "No such command 'runn'"),
        (["ui", "--port", "x"], "Invalid value for '--port'"),
        (["data", "fetch"], "see python -m search data fetch --help"),
        (["status", "demo", "extra"], "see python -m search status --help"),
    ],
)
def test_words_that_are_no_command_get_one_line_and_status_2(
    tmp_path: Path, words: list[str], line: str
) -> None:
    command = [sys.executable, "-m", "search", *words]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("dropattack: ")
    assert line in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""
    assert not list(tmp_path.iterdir())
