"""Waiting for processes: a busy machine makes it long, and nothing but standstill makes it fail."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 600


def watched(
    process: "subprocess.Popen[Any]", folder: Path, until: Callable[[], bool] = lambda: False
) -> int | None:
    """Waits until a process ends, or until something holds while it lives.

    Args:
        process: Leads a session of its own, which is killed when it stands still.
        folder: What the process writes into as long as it does something.
        until: What is waited for beside the end.

    Returns:
        The exit status, or nothing where the process lives on.

    Raises:
        TimeoutError: Nothing in the folder has changed in size for `PATIENCE_SECONDS`.
    """
    size, since = -1, time.monotonic()
    while (status := process.poll()) is None and not until():
        if (now := _size(folder)) != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > PATIENCE_SECONDS:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TimeoutError(f"nothing in {folder} has changed for {PATIENCE_SECONDS} s")
        time.sleep(0.05)
    return status


def _size(folder: Path) -> int:
    """Bytes of all files; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).lstat().st_size
    return total
