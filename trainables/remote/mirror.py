"""A node's copy of a folder in an object store: it fetches what is read, and sends what is written.

A program works on the copy as on any folder, and the object store decides: the node fetches again whatever
differs from what it last saw there. Copies lie in the node's cache, one for each address.
"""

import json
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath

from filelock import FileLock

from dropattack import UsageError
from trainables.digest import digest
from trainables.disk import cache_root, write_atomically
from trainables.remote.address import Address
from trainables.remote.bucket import Bucket, Found
from trainables.remote.opening import open_bucket

MARKER = "dropattack.json"
"""The object that identifies the store at an address, and its form."""
FORM = 1
"""The form in which this version keeps a store in an object store."""

_SEEN = ".seen.json"
_MIRRORS: dict[Path, "Mirror"] = {}
"""The copies that this process works on, by their folders."""
_OPENING = threading.Lock()


class Mirror:
    """A node's copy of the store at an address.

    Args:
        root: The folder of the copy.
        bucket: The objects at the address.

    Attributes:
        root: The folder of the copy.
        bucket: The objects at the address.
        node: A name of this copy that no other node has.
    """

    def __init__(self, root: Path, bucket: Bucket) -> None:
        self.root = root
        self.bucket = bucket
        self._is_marked = False

    @property
    def address(self) -> Address:
        """The address."""
        return self.bucket.address

    @cached_property
    def node(self) -> str:
        """A name of this copy that no other node has."""
        path = self.root / ".node"
        with self.alone():
            if not path.exists():
                write_atomically(path, uuid.uuid4().hex.encode())
            return path.read_text(encoding="utf-8")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside this context, no other process of this node changes the copy."""
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / ".copy.lock"):
            yield

    def name_of(self, path: Path) -> str:
        """The name of the object that a file is a copy of."""
        return PurePosixPath(path.relative_to(self.root)).as_posix()

    def check_form(self) -> str:
        """The id of the store at the address; empty if nothing is there.

        Raises:
            UsageError: Another version of this program, or another program, wrote it.
        """
        content = self.bucket.read(MARKER)
        if content is None:
            return ""
        try:
            marker = json.loads(content)
            form, its_id = marker["form"], str(marker["id"])
        except (ValueError, TypeError, KeyError):
            form, its_id = None, ""
        if form != FORM:
            raise UsageError(
                f"{self.address} was written by another version of this program; use that version, or name "
                "another --store"
            )
        return its_id

    def mark(self) -> None:
        """Writes the object that identifies the store, before any other."""
        if not self._is_marked:
            self.bucket.create(MARKER, json.dumps({"form": FORM, "id": uuid.uuid4().hex}).encode())
            self._is_marked = True

    def bring(self, found: Iterable[Found], folder: str) -> None:
        """Fetches files that differ from what this node last saw, and removes those that are gone.

        Args:
            found: The objects that are there.
            folder: The folder that holds them, with a slash at its end; other files stay.
        """
        seen = self._seen()
        there = {each.name: each.tag for each in found}
        inside = [name for name in there if not {"", ".", ".."} & set(name.split("/"))]
        wanted = [name for name in inside if seen.get(name) != there[name] or not self._has(name)]
        for name, content in zip(wanted, self.bucket.read_all(wanted), strict=True):
            write_atomically(self.root / name, content)
        gone = {name for name in seen if _folder(name) == folder and name not in there}
        for name in gone:
            (self.root / name).unlink(missing_ok=True)
        if wanted or gone:
            self._note({name: tag for name, tag in seen.items() if name not in gone} | there)

    def send(self, path: Path, is_seen: bool = True) -> None:
        """Sends a file in its present state.

        Args:
            path: The file.
            is_seen: Whether to record for `bring` that this node has it.
        """
        name = self.name_of(path)
        tag = self.bucket.put(name, path)
        if is_seen:
            with self.alone():
                self._note(self._seen() | {name: tag})

    def fetch(self, path: Path) -> None:
        """Fetches one file; removes this node's copy if there is none at the address."""
        content = self.bucket.read(self.name_of(path))
        if content is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, content)

    def forget(self) -> None:
        """Removes what this node has seen, since another store is at the address now."""
        for folder, _, files in os.walk(self.root):
            for name in files:
                path = Path(folder, name)
                if path.parent != self.root or name == _SEEN:
                    path.unlink(missing_ok=True)

    def _has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def _seen(self) -> dict[str, str]:
        try:
            seen = json.loads((self.root / _SEEN).read_bytes())
        except (OSError, ValueError):
            return {}
        return seen if isinstance(seen, dict) else {}

    def _note(self, seen: dict[str, str]) -> None:
        write_atomically(self.root / _SEEN, json.dumps(seen).encode())


def _folder(name: str) -> str:
    folder = name.rpartition("/")[0]
    return f"{folder}/" if folder else ""


def mirror_at(address: Address) -> Mirror:
    """This node's copy of the store at an address; it reads and writes nothing yet.

    Raises:
        UsageError: There are no credentials, or the extra `cloud` is not installed.
    """
    root = (cache_root() / "stores" / digest([str(address)])).resolve()
    with _OPENING:
        if root not in _MIRRORS:
            _MIRRORS[root] = Mirror(root, open_bucket(address))
        return _MIRRORS[root]


def mirror_of(path: Path) -> Mirror | None:
    """The copy that a file belongs to; ``None`` if its store is at no address."""
    if _MIRRORS:
        for folder in (path, *path.parents):
            if folder in _MIRRORS:
                return _MIRRORS[folder]
    return None
