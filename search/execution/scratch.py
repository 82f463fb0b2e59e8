"""A driver's folder for what nobody needs after it, and the end of those that killed drivers left behind."""

import fcntl
import glob
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = f"dropattack-tune-{platform.node()}-"
"""With the node: on a disk that nodes share, a lock may hold on one node alone."""
_LOCK = "driver.lock"
"""File in the folder, on which its driver holds a lock until it ends, however it ends."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder among the system's temporary ones; it goes at the end, as do those of drivers that died.

    The folder's file of the lock gets its name when it is locked, so that none is there that no driver locks.
    """
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / f"{_LOCK}.new").open("xb") as lock:
            with suppress(OSError):  # A file system without locks: the folder of a killed driver stays.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(lock.name).rename(folder / _LOCK)
            yield folder


def _remove_abandoned() -> None:
    """Removes this user's folders whose driver was killed; whatever does not look like one stays."""
    for folder in Path(tempfile.gettempdir()).glob(f"{glob.escape(_PREFIX)}*"):
        with suppress(OSError), _locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a driver that is no more.

    Raises:
        OSError: The driver lives, or this is no such folder of this user.
    """
    own = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _check(os.fstat(own), stat.S_ISDIR)
        lock = os.open(_LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=own)
        try:
            _check(os.fstat(lock), stat.S_ISREG)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(lock)
    finally:
        os.close(own)


def _check(found: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    if found.st_uid != os.getuid() or not is_kind(found.st_mode):
        raise PermissionError("not of this user, or something else")
