"""A content-addressed cache of encoded tensors, shared by all trials on a node.

An entry is written once, behind a file lock, to a temporary name and then renamed, so that no reader ever
sees half of one; readers map it into memory, so that all trials share its pages.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from dropattack import UsageError
from trainables.disk import write_atomically

Encoded = dict[str, Any]


class CacheError(UsageError, OSError):
    """The cache cannot be used: a wrong ``DROPATTACK_CACHE``, or during a run a broken or full disk."""


def cache_root() -> Path:
    """Where entries lie: ``$DROPATTACK_CACHE``, or the user's cache directory."""
    if chosen := os.environ.get("DROPATTACK_CACHE"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("dropattack")


def cached(name: str, content: str, encode: Callable[[], Encoded]) -> Encoded:
    """Returns the entry ``name`` for ``content``, encoding it first where it is not there yet.

    Args:
        name: What the entry is, for people: ``"mnist"``.
        content: Digest of everything the entry depends on: raw files, settings, encoder version.
        encode: Makes the entry: tensors and plain values by name.

    Returns:
        The entry with its tensors mapped from disk, read-only by convention.

    Raises:
        CacheError: The cache's folder cannot be written to, or the entry cannot be read.
    """
    path = cache_root() / f"{name}-{content}.pt"
    with _in_use():
        there = path.exists()
        if not there:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock")).acquire()
    if not there:
        with lock:
            if not path.exists():
                encoded = encode()
                with _in_use():
                    save_atomically(encoded, path)
    with _in_use():
        entry: Encoded = torch.load(path, mmap=True, weights_only=True)
    return entry


def remembered(name: str, find: Callable[[], str]) -> str:
    """Returns the short text that the cache holds as ``name``, finding it first where it is not there yet.

    Raises:
        CacheError: As `cached` does.
    """
    path = cache_root() / "digests" / name
    with _in_use():
        if path.exists():
            return path.read_text()
    found = find()
    with _in_use():
        write_atomically(path, found.encode())
    return found


@contextmanager
def _in_use() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"cannot use the cache {cache_root()} ({error}); name a folder of yours in DROPATTACK_CACHE"
        ) from error


def save_atomically(state: Mapping[str, Any], path: Path) -> None:
    """Writes ``state`` with torch, so that ``path`` holds either what it held before or all of it."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getbuffer())
