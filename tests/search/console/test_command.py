"""Words that are no command: one line, status 2, and where to look."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer

from search.console.command import refusals
from trainables import ChangedCodeWarning


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run"], "Missing argument 'SWEEP'; see python -m search run --help"),
        (["plan", "demo", "--stoer", "x"], "see python -m search plan --help"),
        (["runn", "demo"], "No such command 'runn'"),
        (["ui", "--port", "x"], "Invalid value for '--port': it must be a whole number; see"),
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


@pytest.mark.parametrize(("ending", "status"), [("", 0), ("raise typer.Exit(1)", 1)])
def test_a_signal_while_the_process_ends_leaves_the_exit_status(ending: str, status: int) -> None:
    script = f"""
import atexit, os, signal, sys, typer
from search.console.command import carry_out
app = typer.Typer()
@app.command()
def act():
    atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))
    {ending}
sys.exit(carry_out(app))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == status


def test_an_interrupt_says_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    for error, told in ((KeyboardInterrupt(), ""), (KeyboardInterrupt("all is durable"), "; all is durable")):
        with pytest.raises(typer.Exit) as ended, refusals():
            raise error
        assert ended.value.exit_code == 1
        assert (
            capsys.readouterr().err == f"dropattack: interrupted; run the same command again to go on{told}\n"
        )


def test_changed_code_of_models_is_one_remark(capsys: pytest.CaptureFixture[str]) -> None:
    """Of twenty models, one line without a file of this program in it; other warnings stay Python's."""
    with refusals():
        for _ in range(20):
            warnings.warn("mine.py differs", ChangedCodeWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="slow"):
            warnings.warn("slow", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "dropattack: mine.py differs\n"
