"""A content-addressed cache of encoded tensors, shared by all trials on a node.

A process writes an entry once, behind a file lock, to a temporary name and then renames it, so that no reader
ever sees half of one. Readers map it into memory, so that all trials share its pages. A damaged entry is made
anew.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from dropattack import UsageError
from trainables.digest import digest
from trainables.disk import cache_root, write_atomically
from trainables.tensors import DamagedError, load_whole, save_atomically

_log = logging.getLogger(__name__)

Encoded = dict[str, Any]


class CacheError(UsageError, OSError):
    """The cache cannot be used: a wrong ``DROPATTACK_CACHE``, or during a run a broken or full disk."""


def cached(name: str, content: str, encode: Callable[[], Encoded]) -> Encoded:
    """Returns the entry ``name`` for ``content``, encoding it first where it is not there yet.

    Args:
        name: Name of the entry, for people: ``"mnist"``.
        content: Digest of everything the entry depends on: raw files, settings, encoder version.
        encode: Makes the entry: tensors and plain values by name.

    Returns:
        The entry with its tensors mapped from disk, read-only by convention.

    Raises:
        CacheError: The cache's folder cannot be written to, or the entry cannot be read.

    A damaged entry is made anew, and the log has a line about it.
    """
    path = cache_root() / f"{name}-{content}.pt"
    entry = _entry(path)
    if entry is not None:
        return entry
    with _in_use():
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock")).acquire()
    with lock:
        entry = _entry(path)  # which another process may have written meanwhile
        if entry is None:
            encoded = encode()
            with _in_use():
                save_atomically(encoded, path)
            entry = _entry(path)
    if entry is None:
        raise CacheError(f"{path} does not hold what was just written; set another DROPATTACK_CACHE")
    return entry


def _entry(path: Path) -> Encoded | None:
    """The content of an entry; ``None`` if it is missing or damaged."""
    with _in_use():
        if not path.exists():
            return None
        try:
            return dict(load_whole(path, mapped=True))
        except DamagedError as error:
            _log.warning("%s; it is made anew", error)
            return None


def remembered(name: str, find: Callable[[], str]) -> str:
    """Returns the short text that the cache holds as ``name``, finding it first where it is not there yet.

    Raises:
        CacheError: As `cached` does.
    """
    path = cache_root() / "digests" / name
    with _in_use():
        if path.exists():
            found, _, seal = path.read_text(errors="replace").partition(" ")
            if seal == digest(name, found):
                return found
    found = find()
    with _in_use():
        write_atomically(path, f"{found} {digest(name, found)}".encode())
    return found


@contextmanager
def _in_use() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"cannot use the cache {cache_root()} ({error}); set DROPATTACK_CACHE to a folder of yours"
        ) from error
