"""A store at an address, as this node's copy of it: brought up to date, held by one run, added to.

Of a folder on the disk nothing is to be done: each function then does nothing.
"""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from search.records.entries import Entries
from search.records.holding import is_held_here
from search.records.sending import Sending
from trainables.disk import write_atomically
from trainables.remote.address import Address, is_address
from trainables.remote.bucket import Found
from trainables.remote.mirror import MARKER, Mirror, mirror_at, mirror_of

_SWEEPS = "sweeps/"
_SIDE_BY_SIDE = 8
_ID = ".store"


def folder_of(place: str | Path) -> Path:
    """The folder in which a store is worked on: itself, or this node's copy of what lies at an address.

    Raises:
        UsageError: It is no address, there are no credentials for it, or the extra `cloud` is not installed.
    """
    text = str(place)
    return mirror_at(Address.parse(text)).root if is_address(text) else Path(place)


def name_of(root: Path) -> str:
    """What a person calls a store: its folder, or its address."""
    mirror = mirror_of(root)
    return str(root if mirror is None else mirror.address)


def refresh(root: Path) -> None:
    """Brings a store's definitions, journals, notes and reports up to date.

    Models and checkpoints are brought when they are asked for. A sweep that a process of this node runs is
    up to date already, and stays as it is.

    Args:
        root: The store's folder.

    Raises:
        RemoteError: What lies at the address cannot be read.
    """
    mirror = mirror_of(root)
    if mirror is None:
        return
    with mirror.alone():
        _same_store(mirror)
        files, _ = mirror.bucket.entries("")
        mirror.bring([each for each in files if each.name != MARKER], "")
        _, names = mirror.bucket.entries(_SWEEPS)
        known = [path.name for path in (root / _SWEEPS).glob("*") if path.is_dir()]
        sweeps = [name for name in sorted({*names, *known}) if not is_held_here(root / _SWEEPS / name)]
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
            listed = threads.map(lambda name: _listed(mirror, name), sweeps)
            for name, folders in zip(sweeps, listed, strict=True):
                for folder, found in folders.items():
                    mirror.bring(found, folder)
                _bring_journal(mirror, root / _SWEEPS / name)


def refresh_sweep(folder: Path) -> None:
    """Brings one sweep up to date, for the run that holds it.

    Args:
        folder: The sweep's folder.
    """
    mirror = mirror_of(folder)
    if mirror is not None:
        with mirror.alone():
            _same_store(mirror)
            for name, found in _listed(mirror, folder.name).items():
                mirror.bring(found, name)
            _bring_journal(mirror, folder)


def refresh_others(root: Path, sweep: str) -> None:
    """Brings what other sweeps have recorded since up to date; those of this node are.

    Args:
        root: The store's folder.
        sweep: Name of the sweep that asks.

    Raises:
        RemoteError: What lies at the address cannot be read.
    """
    mirror = mirror_of(root)
    if mirror is None:
        return
    folder = root / _SWEEPS
    with mirror.alone():
        _, names = mirror.bucket.entries(_SWEEPS)
        others = [name for name in names if name != sweep and not is_held_here(folder / name)]
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
            grown = list(threads.map(lambda name: _has_grown(mirror, folder / name), others))
        for name in (name for name, has in zip(others, grown, strict=True) if has):
            for inside, found in _listed(mirror, name).items():
                mirror.bring(found, inside)
            _bring_journal(mirror, folder / name)


def entries_of(journal: Path) -> Entries | None:
    """The entries of which a journal's file is a copy; nothing where the file is the journal itself."""
    mirror = mirror_of(journal)
    return None if mirror is None else Entries(mirror.bucket, f"{mirror.name_of(journal.parent)}/")


def sending_to(journal: Path) -> Sending | None:
    """Sends lines to the entries of which a journal's file is a copy, and then adds them to that.

    Args:
        journal: The file, of a sweep that this process holds.

    Returns:
        Nothing where the file is the journal itself.
    """
    mirror, entries = mirror_of(journal), entries_of(journal)
    if mirror is None or entries is None:
        return None
    copied = 0

    def write(first: int, lines: bytes) -> None:
        nonlocal copied
        entries.append(first, lines)
        with journal.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if copied and size != copied:
                raise OSError(errno.EIO, "something else wrote to it or cut it", str(journal))
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        copied = size + len(lines)

    mirror.bucket.give_up(False)
    return Sending(write, mirror.bucket.give_up)


def _same_store(mirror: Mirror) -> None:
    """Forgets the copy of a store that lay at the address before."""
    now, noted = mirror.check_form(), mirror.root / _ID
    before = noted.read_text(encoding="utf-8") if noted.exists() else ""
    if now != before:
        if before:
            mirror.forget()
        write_atomically(noted, now.encode())


def _listed(mirror: Mirror, sweep: str) -> dict[str, list[Found]]:
    folder = f"{_SWEEPS}{sweep}/"
    files, folders = mirror.bucket.entries(folder)
    own = [each for each in files if not each.name.endswith("run.lock")]
    report = f"{folder}report/"
    return {folder: own, report: mirror.bucket.under(report) if "report" in folders else []}


def _has_grown(mirror: Mirror, folder: Path) -> bool:
    path = folder / "journal.log"
    known = path.read_bytes().count(b"\n") if path.is_file() else 0
    return Entries(mirror.bucket, f"{mirror.name_of(folder)}/").has_grown(known)


def _bring_journal(mirror: Mirror, folder: Path) -> None:
    """Adds what a journal lacks, or reads all of it where it does not go on from what is there."""
    path = folder / "journal.log"
    entries = Entries(mirror.bucket, f"{mirror.name_of(folder)}/")
    has = path.read_bytes() if path.is_file() else b""
    has = has[: has.rfind(b"\n") + 1]
    new = entries.read(has.count(b"\n"))
    if new is None:
        has, new = b"", entries.read() or b""
        if not new:
            path.unlink(missing_ok=True)
    if new:
        write_atomically(path, has + new)
