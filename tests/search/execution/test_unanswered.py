"""SIGTERM ends a process whose main thread stands in a call of C, and no other."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from search.execution.interruption import sigterm_interrupts
from search.execution.unanswered import ends_unanswered
from search.records.store import Store
from tests.search import trained

STANDS = """
import ctypes, os, signal, sys, threading, time
from search.execution.interruption import sigterm_interrupts
from search.execution.unanswered import ends_unanswered

def stand():
    mutex, c = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    c.pthread_mutex_init(mutex, None)
    c.pthread_mutex_lock(mutex)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    c.pthread_mutex_lock(mutex)  # waits for itself; signals do not end it

def close():
    {close}

signal.signal(signal.SIGINT, signal.default_int_handler)  # which who runs tests in the background ignores
try:
    with sigterm_interrupts():
        print("begins")
        with ends_unanswered(close, grace_seconds=0.3):
            {act}
        print("went on")
except KeyboardInterrupt:
    time.sleep(0.6)
    print("caught")
"""
LINE = "dropattack: interrupted; run the same command again to go on\n"


def child(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("close", "said"),
    [
        ("sys.stdout.write('closed\\n')", "begins\nclosed\n"),
        ("raise RuntimeError('cannot be closed')", "begins\n"),
        ("time.sleep(0.5); os.kill(os.getpid(), signal.SIGTERM); print('closed')", "begins\nclosed\n"),
    ],
)
def test_a_process_that_stands_in_c_closes_says_so_and_ends(close: str, said: str) -> None:
    done = child(STANDS.format(close=close, act="stand()"))
    assert (done.stdout, done.stderr, done.returncode) == (said, LINE, 128 + signal.SIGTERM)


def test_signals_that_come_meanwhile_do_not_put_the_end_off() -> None:
    act = (
        "signal.signal(signal.SIGALRM, lambda *_: None); "
        "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05); stand()"
    )
    done = child(STANDS.format(close="print('closed')", act=act))
    assert (done.stdout, done.stderr, done.returncode) == ("begins\nclosed\n", LINE, 143)


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_main_thread_that_answers_ends_as_before(number: str) -> None:
    act = f"os.kill(os.getpid(), signal.{number}); time.sleep(60)"
    done = child(STANDS.format(close="print('closed')", act=act))
    assert (done.stdout, done.stderr, done.returncode) == ("begins\ncaught\n", "", 0)


ANSWERS = STANDS.replace("def close", "unanswered.LEAVING_SECONDS = {leaving}\n\ndef close").replace(
    "import ctypes", "from search.execution import unanswered\nimport ctypes"
)


@pytest.mark.parametrize(("leaving", "said"), [(30, "begins\ncaught\n"), (0.6, "begins\nclosed\n")])
def test_one_that_has_answered_has_longer_for_leaving(leaving: float, said: str) -> None:
    """The interrupt comes at once, and what it has to leave takes a second."""
    act = "\n            ".join(
        [
            "try:",
            "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
            "finally:",
            "    time.sleep(1.2)",
        ]
    )
    done = child(ANSWERS.format(close="print('closed')", act=act, leaving=leaving))
    assert (done.stdout, done.stderr) == (said, "" if leaving == 30 else LINE)
    assert done.returncode == (0 if leaving == 30 else 143)


def test_whoever_hears_signals_already_hears_them_still_and_afterwards() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno())
        handler = signal.signal(signal.SIGUSR1, lambda *_: None)
        try:
            with sigterm_interrupts():
                with ends_unanswered(lambda: None):
                    os.kill(os.getpid(), signal.SIGUSR1)
                    assert ours.recv(10) == bytes([signal.SIGUSR1])
                os.kill(os.getpid(), signal.SIGUSR1)
                assert ours.recv(10) == bytes([signal.SIGUSR1])
            assert signal.set_wakeup_fd(before) == theirs.fileno()
        finally:
            signal.signal(signal.SIGUSR1, handler)
            signal.set_wakeup_fd(before)


def test_a_sigterm_that_somebody_else_answers_is_left_to_them() -> None:
    heard, threads = threading.Event(), threading.active_count()
    handler = signal.signal(signal.SIGTERM, lambda *_: heard.set())
    try:
        with sigterm_interrupts(), ends_unanswered(lambda: None, grace_seconds=0.01):
            assert threading.active_count() == threads
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard.wait(10)
    finally:
        signal.signal(signal.SIGTERM, handler)


RUN = (
    STANDS.partition("def close")[0]
    + """
from pathlib import Path
from rich.console import Console
from search import service, session
from search.records.store import Store
from tests.search import trained

def train(engine, *_):
    engine.next()
    stand()

service._connect = lambda *_: None
session._train = train
service.run_sweep(trained.sweep(), Store(Path(sys.argv[1])), Path(sys.argv[1]), Console(quiet=True))
"""
)


def test_mlflow_shows_a_run_that_stood_still_as_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", LINE, 143)
    store, name = Store(tmp_path), trained.sweep().name
    client = MlflowClient(store.tracking_uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == name)
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["KILLED"] * 3
    assert "ended as KILLED" in (store.folder(name) / "sweep.log").read_text(encoding="utf-8")
