"""SIGUSR1 in the process of a run."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result

from search import service
from search.execution.notice import KeptHandler, noticed, passed_on, usr1_is_notice


def usr1() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def test_the_signal_is_a_notice_while_the_context_lasts() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with usr1_is_notice():
        assert not noticed()
        usr1()
        assert noticed()
    assert signal.getsignal(signal.SIGUSR1) is before
    assert not noticed(), "the next run in this process has no notice"


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
