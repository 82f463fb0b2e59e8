"""Who runs a sweep: on a node the process that has locked its folder, at an address whose lease beats.

What keeps two drivers' records apart is the journal (`search.records.entries`). The lease says it sooner and
in words: before anything starts.
"""

import json
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from dropattack import UsageError
from trainables.remote.bucket import Bucket, RemoteError, lacks_conditions
from trainables.remote.mirror import mirror_of

BEAT_SECONDS = 5.0
"""Seconds between two beats of a lease's holder."""
MISSED_BEATS = 3
"""After how many missed beats the holder counts as dead."""

_LEASE = "run.lock"


def is_held_here(folder: Path) -> bool:
    """Whether a process of this node holds a sweep's folder; false also if that cannot be found out.

    Looking takes the lock for a moment, beside others that look.
    """
    import fcntl

    try:
        with (folder / "run.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_held(folder: Path) -> bool:
    """Whether a run holds a sweep's folder, on this node or, of a store at an address, on another."""
    if is_held_here(folder):
        return True
    mirror = mirror_of(folder)
    found = mirror and mirror.bucket.found(f"{mirror.name_of(folder)}/{_LEASE}")
    if not found:
        return False
    silent = (datetime.now(UTC) - found.modified).total_seconds()
    return silent < MISSED_BEATS * BEAT_SECONDS


@contextmanager
def leased(folder: Path) -> Iterator[None]:
    """Holds a sweep for this node's one run of it; of a folder on the disk its lock has done that.

    Args:
        folder: The sweep's folder, whose lock this process has.

    Raises:
        UsageError: A run on another node holds it; or the store cannot be written, or its server does not
            keep two runs apart.
    """
    mirror = mirror_of(folder)
    if mirror is None:
        yield
        return
    lease = _Lease(mirror.bucket, f"{mirror.name_of(folder)}/{_LEASE}", mirror.node)
    lease.take()
    try:
        yield
    finally:
        lease.give_back()


class _Lease:
    """An object that its holder changes again and again.

    Args:
        bucket: Where it is.
        name: Its name.
        node: Who holds it: of one node only one process tries.
    """

    def __init__(self, bucket: Bucket, name: str, node: str) -> None:
        self._bucket, self._name, self._node = bucket, name, node
        self._run = uuid.uuid4().hex
        self._beats = 0
        self._tag = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def take(self) -> None:
        """Takes it; a dead holder's after some missed beats."""
        if self._bucket.create(self._name, self._content()):
            if self._bucket.create(self._name, self._content()):
                self._bucket.delete(self._name)
                raise UsageError(lacks_conditions(self._bucket.address))
            self._tag = self._bucket.tag(self._name)
        else:
            holder, tag = self._holder()
            if holder != self._node:
                tag = self._wait(tag)
            self._tag = self._changed(tag)
            if not self._tag:
                raise self._in_use()
        self._thread.start()

    def give_back(self) -> None:
        """Ends it, so that the next run need not wait."""
        self._ended.set()
        self._thread.join(BEAT_SECONDS)
        try:
            if not self._thread.is_alive() and self._tag and self._bucket.tag(self._name) == self._tag:
                self._bucket.delete(self._name)
        except RemoteError:  # the store is gone: whoever comes next finds that nothing beats
            return

    def _changed(self, tag: str) -> str:
        """Takes it as it was seen, or as nobody's; returns its new tag, or nothing if another was first."""
        if tag:
            return self._bucket.replace(self._name, self._content(), tag) or ""
        return self._bucket.tag(self._name) if self._bucket.create(self._name, self._content()) else ""

    def _wait(self, tag: str) -> str:
        """Waits to see whether the holder beats.

        Returns:
            The tag, which has stayed; nothing as soon as the holder has given it back.

        Raises:
            UsageError: It beats.
        """
        end = time.monotonic() + MISSED_BEATS * BEAT_SECONDS
        while tag and time.monotonic() < end:
            time.sleep(BEAT_SECONDS / 5)
            now = self._bucket.tag(self._name)
            if now not in ("", tag):
                raise self._in_use()
            tag = now
        return tag

    def _in_use(self) -> UsageError:
        where = f"{self._bucket.address}/{self._name.rpartition('/')[0]}"
        content = self._bucket.read(self._name)
        host = "another node" if content is None else _read(content, "host")
        return UsageError(f"{where} is in use by another run, on {host}; wait for it to end")

    def _holder(self) -> tuple[str, str]:
        """Who holds it, and the tag by which that was found."""
        tag = self._bucket.tag(self._name)
        content = self._bucket.read(self._name)
        return ("", tag) if content is None else (_read(content, "node"), tag)

    def _beat(self) -> None:
        while self._tag and not self._ended.wait(BEAT_SECONDS):
            with suppress(RemoteError):  # a store that stays away the run finds out when it records something
                self._tag = self._bucket.replace(self._name, self._content(), self._tag) or self._own_tag()

    def _own_tag(self) -> str:
        """The tag that it has now, if this run changed it and the answer was lost; or nothing."""
        tag = self._bucket.tag(self._name)
        content = self._bucket.read(self._name)
        return tag if content is not None and _read(content, "run") == self._run else ""

    def _content(self) -> bytes:
        self._beats += 1
        said = {"node": self._node, "host": platform.node(), "run": self._run}
        return json.dumps({**said, "beats": self._beats, "at": time.time()}).encode()


def _read(content: bytes, name: str) -> str:
    try:
        return str(json.loads(content)[name])
    except (ValueError, TypeError, KeyError):
        return ""
