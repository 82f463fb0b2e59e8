"""Single files of a store that may be at an address; in a folder of this node nothing needs to move."""

from pathlib import Path

from trainables.remote.address import Address, is_address
from trainables.remote.mirror import mirror_at, mirror_of

_INSIDE = "//"
"""Separates a store's address and a folder in it."""


def shared_name(folder: Path) -> str:
    """A folder's name for all nodes: its path, or the address of the store and the folder in it."""
    mirror = mirror_of(folder)
    return str(folder.resolve()) if mirror is None else f"{mirror.address}{_INSIDE}{mirror.name_of(folder)}"


def local_folder(name: str) -> Path:
    """The folder on this node that `shared_name` names.

    Raises:
        UsageError: It is at an address, and this node has no credentials or lacks the extra `cloud`.
    """
    if not is_address(name):
        return Path(name)
    address, _, inside = name.rpartition(_INSIDE)
    return mirror_at(Address.parse(address)).root / inside


def send(path: Path) -> None:
    """Sends a small file, written a moment ago, to the store."""
    mirror = mirror_of(path)
    if mirror is not None:
        mirror.mark()
        mirror.send(path)


def send_unseen(path: Path, keep: bool = True) -> None:
    """Sends a file that other nodes fetch only on request, such as a model.

    Args:
        path: The file.
        keep: Whether this node keeps its copy.
    """
    mirror = mirror_of(path)
    if mirror is not None:
        mirror.send(path, is_seen=False)
        if not keep:
            path.unlink(missing_ok=True)


def send_all(folder: Path) -> None:
    """Sends every file of a folder and its folders, hidden ones excepted."""
    if mirror_of(folder) is not None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                send(path)


def fetch(path: Path) -> Path:
    """Fetches a file of the store in its present state; returns its place."""
    mirror = mirror_of(path)
    if mirror is not None:
        mirror.fetch(path)
    return path


def fetch_once(path: Path) -> Path:
    """Fetches a file that never changes, unless this node has it; returns its place."""
    return path if path.exists() else fetch(path)


def remove(path: Path) -> None:
    """Removes a file of the store, if it is there."""
    mirror = mirror_of(path)
    if mirror is not None:
        mirror.bucket.delete(mirror.name_of(path))
    path.unlink(missing_ok=True)
