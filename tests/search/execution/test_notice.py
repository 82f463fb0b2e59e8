"""SIGUSR1 in the process of a run."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import Result
from rich.console import Console

from dropattack import UsageError
from search import service
from search.execution.notice import KeptHandler, noticed, passed_on, usr1_is_notice


def usr1() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def test_the_signal_is_a_notice_while_the_context_lasts() -> None:
    with usr1_is_notice():
        assert not noticed()
        usr1()
        assert noticed()
    assert not noticed(), "the next run in this process has no notice"


def test_after_the_run_the_signal_changes_nothing_but_what_others_made_of_it() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        with usr1_is_notice():
            usr1()
        usr1()
        assert not noticed()
        started = subprocess.run(["sh", "-c", "kill -USR1 $$"], check=False)
        assert started.returncode == -signal.SIGUSR1, "what this process starts has not learned to ignore it"
        heard: list[int] = []
        signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
        with usr1_is_notice():
            usr1()
        usr1()
        assert heard == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


class _Loading(ModuleType):
    """A module whose import takes so long that the signal comes."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        usr1()
        return Console


def test_a_notice_while_the_command_is_still_being_loaded_is_heard(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: unheard.append(number))
    heard: list[bool] = []

    def load(*_: object) -> None:
        heard.append(noticed())
        raise UsageError("enough")

    monkeypatch.setitem(sys.modules, "search.console.terminal", _Loading("terminal"))
    monkeypatch.setattr("search.definition.sweepfile.load_sweep", load)
    try:
        assert command("run", "demo").exit_code == 2
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (heard, unheard) == ([True], [])


def test_a_handler_that_tune_replaces_is_put_back() -> None:
    with usr1_is_notice():
        kept = KeptHandler()
        signal.signal(signal.SIGUSR1, lambda *_: pytest.fail("Tune took it"))
        kept.put_back()
        usr1()
        assert noticed()


def test_other_threads_change_no_handler() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    seen = []

    def elsewhere() -> None:
        with usr1_is_notice():
            seen.append(signal.getsignal(signal.SIGUSR1))
            KeptHandler().put_back()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_notice_is_passed_on_once() -> None:
    given = threading.Event()
    with usr1_is_notice(), passed_on(given.set):
        usr1()
        assert given.wait(60)


@pytest.mark.parametrize(
    ("notice", "done", "trained", "failed", "status"),
    [
        (True, False, 2, (), 75),
        (True, False, 2, ("one",), 75),
        (True, False, 0, (), 1),
        (True, True, 2, (), 0),
        (True, True, 2, ("one",), 1),
        (False, False, 2, (), 1),
    ],
)
def test_the_exit_status_tells_who_begins_it_again(
    command: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    notice: bool,
    done: bool,
    trained: int,
    failed: Sequence[str],
    status: int,
) -> None:
    def run(*_: object) -> SimpleNamespace:
        if notice:
            usr1()
        return SimpleNamespace(done=done, trained=trained, failed=failed)

    monkeypatch.setattr(service, "run_sweep", run)
    monkeypatch.setattr("search.console.presentation.show_outcome", lambda *_: None)
    assert command("run", "demo", "--store", str(Path("runs"))).exit_code == status
