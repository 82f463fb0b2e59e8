"""A child process that measures, and may die or hang without harm."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from benchmarks.gpu.ends import ended
from benchmarks.gpu.jobs import Job

WORKER = (sys.executable, "-m", "benchmarks.gpu.worker")
"""The command that starts one; the number of a file descriptor is added to it."""
_LOOK_SECONDS = 0.5
"""How often to look whether a silent child still lives."""


class DiedError(RuntimeError):
    """The child ended without an answer."""


class HungError(RuntimeError):
    """There was no answer in time."""


class Child:
    """A worker in a session of its own, so that what it starts ends with it.

    Args:
        command: See `WORKER`.
    """

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        self._answers, answering = os.pipe()
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, str(answering)],
            stdin=subprocess.PIPE,
            stdout=self._printed,
            stderr=self._printed,
            pass_fds=[answering],
            start_new_session=True,
        )
        os.close(answering)
        self._buffer = b""

    def ask(self, job: Job, seconds: float) -> dict[str, Any]:
        """The answer to a job.

        Raises:
            DiedError: The child ended; the message says how, and what it printed last.
            HungError: It took longer than ``seconds``.
        """
        until = time.monotonic() + seconds
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if selector.select(max(0.0, min(_LOOK_SECONDS, until - time.monotonic()))):
                    piece = os.read(self._answers, 65536)
                    if not piece:
                        raise DiedError(self._ended())
                    self._buffer += piece
                elif time.monotonic() >= until:
                    raise HungError(f"no answer within {seconds:.0f} s")
                elif self._process.poll() is not None and not selector.select(0):
                    raise DiedError(self._ended())
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def _ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._printed.seek(max(0, self._printed.seek(0, os.SEEK_END) - 2000))
        lines = self._printed.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"the process {ended(self._process.returncode)}" + (f": {last[:200]}" if last else "")

    def close(self) -> None:
        """Ends it and all that it started, whatever they do."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):  # a process that waits for a broken driver ends later
            self._process.wait(10)
        os.close(self._answers)
        self._printed.close()
