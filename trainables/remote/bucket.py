"""Objects under an address: put, created if absent, replaced if unchanged, read, listed, deleted.

A request that fails for a passing reason (a connection, a timeout, a busy server) is tried again. If an
earlier attempt may have taken effect, the bucket checks that before it attributes the result to another
process.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from dropattack import UsageError
from trainables.remote.address import Address
from trainables.remote.reasons import reason

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""Seconds for which a request is tried again."""
FIRST_PATIENCE_SECONDS = 10.0
"""Seconds before the store has ever answered, since its address may be wrong."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0
_FINAL = re.compile(r"status code: 4(?!08|09|29)\d\d")
"""Errors of the server for a request that stays wrong."""
_AT_ONCE = 16
"""Number of objects to read side by side."""
PART_BYTES = 8 * 2**20
"""Bytes that one request reads of a larger object, since the time limit is for one request."""
_PARTS_AT_ONCE = 4


class RemoteError(UsageError, OSError):
    """An object store refused a request, or failed during a run."""


class Found(NamedTuple):
    """An existing object.

    Attributes:
        name: Its name under the address.
        tag: Changes with its content.
        modified: When it was last written, by the server's clock.
    """

    name: str
    tag: str
    modified: datetime


class Bucket:
    """The objects under one address.

    Args:
        address: Their address.
        objects: The store of `obstore` that holds them, by names under the address.
    """

    def __init__(self, address: Address, objects: Any) -> None:
        self.address = address
        self._objects = objects
        self._answered = False
        self._given_up = threading.Event()
        self._versions: dict[str, tuple[str, str]] = {}
        """Tag and version of objects that this process has looked at: Google replaces by version alone."""

    def give_up(self, now: bool) -> None:
        """Tries no request again that fails, those under way included; or, where not ``now``, tries again."""
        if now:
            self._given_up.set()
        else:
            self._given_up.clear()

    def put(self, name: str, content: bytes | Path) -> str:
        """Writes an object, whatever was there; returns its tag."""
        more = {"max_concurrency": _PARTS_AT_ONCE}
        return _tag(self._carry_out(name, lambda ob: ob.put(self._objects, name, content, **more)))

    def create(self, name: str, content: bytes) -> bool:
        """Creates an object unless there is one of that name.

        Returns:
            Whether this call created it, be it by an attempt that seemed to fail; False if an object of that
            name was there.
        """
        import obstore

        attempts = self._attempts()
        while True:
            try:
                self._try(name, lambda ob: ob.put(self._objects, name, content, mode="create"))
                return True
            except obstore.exceptions.AlreadyExistsError:
                there = self.read(name)
                if there is not None:
                    return attempts.number > 1 and there == content
                attempts.again(self._conflict(name))
            except _PassingError as error:
                attempts.again(error)

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Writes an object if its tag is ``tag``; returns the new one, or ``None`` if it has another."""
        import obstore

        attempts, mode = self._attempts(), {"e_tag": tag}
        known, version = self._versions.get(name, ("", ""))
        if version and known == tag:
            mode["version"] = version
        while True:
            try:
                result = self._try(name, lambda ob: ob.put(self._objects, name, content, mode=mode))
                return self._noted(name, _tag(result), result)
            except obstore.exceptions.AlreadyExistsError:
                attempts.again(self._conflict(name))
            except (obstore.exceptions.PreconditionError, FileNotFoundError):
                now = self.tag(name) if attempts.number > 1 and self.read(name) == content else ""
                return now or None
            except _PassingError as error:
                attempts.again(error)

    def read(self, name: str) -> bytes | None:
        """The content of an object; ``None`` if there is no object."""
        import obstore

        while True:
            try:
                content, size, tag = self._carry_out(name, lambda ob: self._begin_to_read(ob, name))
                return self._in_parts(name, size, tag) if content is None else content
            except FileNotFoundError:
                return None
            except obstore.exceptions.PreconditionError:  # another write came between two parts
                continue

    def _begin_to_read(self, ob: Any, name: str) -> tuple[bytes | None, int, str]:
        """The content of an object, unless it is large; its size; its tag."""
        got = ob.get(self._objects, name)
        size = int(got.meta["size"])
        return bytes(got.bytes()) if size <= PART_BYTES else None, size, str(got.meta["e_tag"])

    def _in_parts(self, name: str, size: int, tag: str) -> bytes:
        def part(start: int) -> bytes:
            how = {"range": (start, min(start + PART_BYTES, size)), "if_match": tag}
            return self._carry_out(name, lambda ob: bytes(ob.get(self._objects, name, options=how).bytes()))

        with ThreadPoolExecutor(_PARTS_AT_ONCE) as threads:
            return b"".join(threads.map(part, range(0, size, PART_BYTES)))

    def read_all(self, names: Iterable[str]) -> list[bytes]:
        """The contents of several objects, read side by side; empty for an object that is gone meanwhile."""
        wanted = list(names)
        if len(wanted) < 2:
            return [self.read(name) or b"" for name in wanted]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return [content or b"" for content in threads.map(self.read, wanted)]

    def tag(self, name: str) -> str:
        """The tag of an object; empty if there is no object."""
        found = self.found(name)
        return "" if found is None else found.tag

    def found(self, name: str) -> Found | None:
        """An object's tag and time, without reading it; ``None`` if there is no object."""
        try:
            meta = self._carry_out(name, lambda ob: ob.head(self._objects, name))
        except FileNotFoundError:
            return None
        self._noted(name, str(meta["e_tag"]), meta)
        return _found(meta)

    def under(self, prefix: str, after: str = "") -> list[Found]:
        """Lists the objects below a folder, in the order of their names.

        Args:
            prefix: The folder, with a slash at its end.
            after: Leaves out the names up to this one, and this one.
        """
        metas = self._carry_out(
            prefix, lambda ob: ob.list(self._objects, prefix, offset=after or None).collect()
        )
        return sorted(map(_found, metas))

    def entries(self, folder: str) -> tuple[list[Found], list[str]]:
        """Lists the objects directly in a folder, and the names of its folders.

        Args:
            folder: With a slash at its end; empty for the address itself.
        """
        listed = self._carry_out(folder, lambda ob: ob.list_with_delimiter(self._objects, folder or None))
        folders = [str(name).rstrip("/").rpartition("/")[2] for name in listed["common_prefixes"]]
        return sorted(map(_found, listed["objects"])), sorted(folders)

    def delete(self, name: str) -> None:
        """Deletes an object, if it is there."""
        try:
            self._carry_out(name, lambda ob: ob.delete(self._objects, name))
        except FileNotFoundError:
            return

    def _noted(self, name: str, tag: str, of: Mapping[str, Any]) -> str:
        """Records the version of a tag, if the server has versions; returns the tag."""
        self._versions[name] = (tag, str(of.get("version") or ""))
        return tag

    def _conflict(self, name: str) -> "_PassingError":
        """The error for a write that another one in progress blocked, maybe an earlier attempt of its own."""
        return _PassingError(f"{self.address}/{name} cannot be written (409 Conflict)")

    def _carry_out(self, name: str, request: Callable[[Any], T]) -> T:
        """Makes a request, which may be made twice, until the server answers."""
        attempts = self._attempts()
        while True:
            try:
                return self._try(name, request)
            except _PassingError as error:
                attempts.again(error)

    def _try(self, name: str, request: Callable[[Any], T]) -> T:
        """Makes a request once.

        Raises:
            FileNotFoundError: There is no such object.
            AlreadyExistsError: `obstore`'s own error, like its PreconditionError.
            RemoteError: The request cannot succeed.
            _PassingError: The request may succeed later.
        """
        import obstore
        from obstore import exceptions

        try:
            result = request(obstore)
            self._answered = True
            return result
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                raise RemoteError(self._no_bucket()) from None
            raise
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError):
            raise RemoteError(
                f"{self.address} does not let this user read and write there; see that the credentials are "
                "right and may list, get, put and delete objects"
            ) from None
        except (exceptions.NotSupportedError, NotImplementedError):
            raise RemoteError(lacks_conditions(self.address)) from None
        except exceptions.BaseError as error:
            raise self._other(name, error) from None

    def _other(self, name: str, error: Exception) -> Exception:
        said = str(error)
        if "NoSuchBucket" in said or "ContainerNotFound" in said:
            return RemoteError(self._no_bucket())
        if "NotImplemented" in said or "501 Not Implemented" in said:
            return RemoteError(lacks_conditions(self.address))
        if "redirect" in said and "region" in said:
            return RemoteError(f"the bucket of {self.address} lies in another region; set AWS_REGION to it")
        if _FINAL.search(said):
            return RemoteError(f"{self.address} refuses a request for {name} ({reason(said)})")
        return _PassingError(f"{self.address}/{name} cannot be reached ({reason(said)})")

    def _no_bucket(self) -> str:
        bucket = repr(self.address.bucket)
        return f"there is no bucket {bucket} for {self.address}; make it, or name another --store"

    def _attempts(self) -> "_Attempts":
        patience = PATIENCE_SECONDS if self._answered else FIRST_PATIENCE_SECONDS
        return _Attempts(patience, self._given_up)


class _PassingError(Exception):
    """A request failed for a reason that may pass."""


class _Attempts:
    """Attempts at one request: pauses between them, and their end.

    Args:
        patience: Seconds after which to give up.
        given_up: Set where nothing is to be tried again.

    Attributes:
        number: Number of the present attempt, from 1.
    """

    def __init__(self, patience: float, given_up: threading.Event) -> None:
        self.number = 1
        self._given_up = given_up
        self._end = time.monotonic() + patience
        self._pause = _FIRST_PAUSE_SECONDS

    def again(self, error: _PassingError) -> None:
        """Waits for the next attempt.

        Raises:
            RemoteError: The patience is used up, or nothing is to be tried again.
        """
        if time.monotonic() + self._pause > self._end or self._given_up.wait(self._pause):
            raise RemoteError(f"{error}, tried {self.number} times") from None
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        self.number += 1


def lacks_conditions(address: Address) -> str:
    """The message for a server that cannot keep two runs apart."""
    return (
        f"the server of {address} cannot create an object only if there is none, which keeps two runs "
        "apart; use a store on a server that supports If-None-Match"
    )


def _tag(result: Mapping[str, Any]) -> str:
    return str(result["e_tag"])


def _found(meta: Mapping[str, Any]) -> Found:
    return Found(str(meta["path"]), str(meta["e_tag"]), meta["last_modified"])
