"""SIGTERM interrupts wherever it comes, also where Python drops errors."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which who runs tests in the background ignores
from search.execution.interruption import sigterm_interrupts

class Given:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

try:
    with sigterm_interrupts():
        {act}
        for _ in range(600):
            time.sleep(0.1)
        print("went on")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("act", ["given = Given(); del given", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_a_signal_is_not_lost_where_an_object_is_given_up(act: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(act=act)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


SWALLOWED = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from search.execution.interruption import check_interrupted, sigterm_interrupts

with sigterm_interrupts():
    check_interrupted()
    try:
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):
            pass
    except:
        print("swallowed")
    try:
        check_interrupted()
    except KeyboardInterrupt:
        print("known")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_a_library_swallows_is_known(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED.format(name=name)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("swallowed\nknown\nTrue\n", "")


def test_other_errors_there_are_shown_as_before() -> None:
    act = "given = type('Broken', (), {'__del__': lambda self: 1 / 0})(); del given; raise KeyboardInterrupt"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(act=act)], capture_output=True, text=True, check=False
    )
    assert "ZeroDivisionError" in done.stderr
    assert done.stdout == "interrupted\n"


HELD = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from search.execution.interruption import interrupts_wait

before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
try:
    with interrupts_wait() as waits:
        print(waits.is_set())
        {act}
        print(waits.is_set())
    print("went on")
except KeyboardInterrupt:
    print("interrupted")
print(before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
"""


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM)", ["False", "True", "interrupted", "True"]),
        ("os.kill(os.getpid(), signal.SIGINT)", ["False", "True", "interrupted", "True"]),
        ("pass", ["False", "False", "went on", "True"]),
    ],
)
def test_a_signal_waits_for_what_must_not_be_cut_short(act: str, said: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD.format(act=act)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.split("\n")[:-1], done.stderr) == (said, "")


INTERRUPTED = """
import typer
from search.console.command import carry_out, refusals

app = typer.Typer()


@app.command()
def main():
    with refusals():
        exec("raise KeyboardInterrupt")


if __name__ == "__main__":
    raise SystemExit(carry_out(app))
"""


def test_an_interrupt_inside_of_an_import_does_not_replace_the_exit_status(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, "-m", "typed"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        1,
        "dropattack: interrupted; run the same command again to go on\n",
    )
