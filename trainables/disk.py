"""A trial's files on disk: their places, and writes of a whole file or nothing."""

import os
import uuid
from pathlib import Path


def cache_root() -> Path:
    """A node's folder for files that can be made again: ``$DROPATTACK_CACHE``, or the user's cache."""
    if chosen := os.environ.get("DROPATTACK_CACHE"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("dropattack")


def checkpoint_path(folder: str | Path, key: str) -> Path:
    """Place of the state of a trial in progress, by its key, so that any process on any node finds it."""
    return Path(folder) / "checkpoints" / f"{key}.pt"


def model_path(folder: str | Path, key: str) -> Path:
    """Place of the best model of a complete trial."""
    return Path(folder) / "models" / f"{key}.pt"


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Writes ``content`` to disk, so that ``path`` holds either what it held before or all of it.

    The process's umask decides who may read it, as for any new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
