"""A content-addressed cache of encoded tensors, shared by all trials on a node.

An entry is written once, behind a file lock, to a temporary name and then renamed, so that no reader ever
sees half of one; readers map it into memory, so that all trials share its pages.
"""

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

Encoded = dict[str, Any]


def cache_root() -> Path:
    """Where entries lie: ``$DROPATTACK_CACHE``, or the user's cache directory."""
    if chosen := os.environ.get("DROPATTACK_CACHE"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("dropattack")


def digest(*parts: Any) -> str:
    """A short SHA-256 over plain values: equal values give equal digests, in any process."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cached(name: str, content: str, encode: Callable[[], Encoded]) -> Encoded:
    """Returns the entry ``name`` for ``content``, encoding it first where it is not there yet.

    Args:
        name: What the entry is, for people: ``"mnist"``.
        content: Digest of everything the entry depends on: raw files, settings, encoder version.
        encode: Makes the entry: tensors and plain values by name.

    Returns:
        The entry with its tensors mapped from disk, read-only by convention.
    """
    path = cache_root() / f"{name}-{content}.pt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                save_atomically(encode(), path)
    entry: Encoded = torch.load(path, mmap=True, weights_only=True)
    return entry


def save_atomically(state: Mapping[str, Any], path: Path) -> None:
    """Writes ``state`` with torch, so that ``path`` holds either what it held before or all of it."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getbuffer())


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Writes ``content`` to disk, so that ``path`` holds either what it held before or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
