"""Ray on this machine, started for one sweep."""

import atexit
import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray._private.node import Node

from dropattack.errors import first_line
from search.execution.errors import RunError

_ATTEMPTS = 2
_NICENESS = "RAY_worker_niceness"
"""What Ray adds to the niceness of its workers; Ray's default of 15 leaves them little CPU beside others."""
_SHORT_PLACES = ("/tmp", "/var/tmp", "/dev/shm")
_SOCKET = "session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""The longest path of a socket inside of Ray's folder; process numbers have at most seven digits."""
_LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""Bytes in the path of a socket, which the system limits."""

_log = logging.getLogger(__name__)


def start(options: Mapping[str, Any]) -> None:
    """Starts Ray, with a second attempt if need be, or reuses the one that this process started before.

    Workers have the niceness of this process, unless ``RAY_worker_niceness`` says how much to add.

    Args:
        options: More for `ray.init`.

    Raises:
        RunError: Ray cannot start; nothing of it is left.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault(_NICENESS, "0")
    folder = _short_folder()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=200 * 2**20,
                _temp_dir=folder,
                **options,
            )
            return
        except BaseException as error:
            _end_half_started(error)
            if not isinstance(error, Exception):
                raise
            _log.warning("Ray did not start, attempt %d of %d: %s", attempt, _ATTEMPTS, error)
            failure = first_line(error)
    raise RunError(
        f"Ray cannot start on this machine ({failure.rstrip('.')}); free some CPU, memory or disk, "
        "and run the same command again"
    )


def _short_folder() -> str | None:
    """A folder for Ray that ends with this process, if the usual path is too long for sockets."""
    usual = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    if _holds_sockets(f"{usual}/ray"):
        return None
    for place in (*_SHORT_PLACES, str(Path.home())):
        if os.access(place, os.W_OK | os.X_OK) and _holds_sockets(f"{place}/ray-12345678"):
            folder = tempfile.mkdtemp(prefix="ray-", dir=place)
            atexit.register(_give_back, folder)
            return folder
    return None


def _give_back(folder: str) -> None:
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _holds_sockets(folder: str) -> bool:
    return len(os.fsencode(f"{folder}/{_SOCKET}")) <= _LONGEST_SOCKET


def _end_half_started(error: BaseException) -> None:
    """Ends what Ray had started before it failed; Ray itself forgets a node whose start failed."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node) and hasattr(node, "all_processes"):
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
    ray.shutdown()
