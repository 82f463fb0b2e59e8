"""Copies a store to another place: a folder, or an address of an object store."""

import os
import shutil
from pathlib import Path

from dropattack import UsageError
from search.records.holding import is_held
from search.records.mirrored import entries_of
from search.records.store import Store
from trainables.disk import write_atomically
from trainables.remote.files import fetch_once, send, send_unseen
from trainables.remote.mirror import mirror_of

_NOT_COPIED = ("run.lock", "journal.log.lock", "settled", "journal.log")
_TENSORS = ("models", "checkpoints")


def copy_store(source: Store, target: Store) -> int:
    """Copies the sweeps of a store: definitions, journals, notes, logs, models, checkpoints and reports.

    The next run writes MLflow's runs anew from these. The copy is a store of its own, with experiments of its
    own on an MLflow server.

    Args:
        source: The store to copy; it stays as it is.
        target: The place of the copy, which must be empty.

    Returns:
        How many sweeps were copied.

    Raises:
        UsageError: There is nothing to copy, something is at the target, or a sweep is being run.
    """
    names = source.sweeps()
    if not names:
        raise UsageError(f"{source.name} has no sweep to copy; name a store that has")
    if target.sweeps() or (mirror_of(target.root) is None and _holds_something(target.root)):
        raise UsageError(f"{target.name} holds something already; copy to a place that is empty")
    for name in names:
        if is_held(source.folder(name)):
            raise UsageError(f"sweep {name!r} of {source.name} is being run; wait for it to end")
    for name in names:
        _copy_sweep(source.folder(name), target.folder(name))
    return len(names)


def _copy_sweep(source: Path, target: Path) -> None:
    """Copies a sweep, its journal before any file that refers to it."""
    journal = source / "journal.log"
    content = journal.read_bytes() if journal.exists() else b""
    content = content[: content.rfind(b"\n") + 1]
    entries = entries_of(target / "journal.log")
    if entries is not None and content:
        entries.append(1, content)
    if content:
        write_atomically(target / "journal.log", content)
    for path in _tensors(source):
        copied = target / path.parent.name / path.name
        _copy(fetch_once(path), copied)
        send_unseen(copied)
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.is_file() and not hidden and inside.parts[0] not in (*_NOT_COPIED, *_TENSORS):
            _copy(path, target / inside)
            send(target / inside)


def _tensors(folder: Path) -> list[Path]:
    """The models and checkpoints of a sweep, on this node or at its address."""
    mirror = mirror_of(folder)
    if mirror is None:
        return [path for kind in _TENSORS for path in sorted((folder / kind).glob("[!.]*.pt"))]
    prefix = mirror.name_of(folder)
    found = [each for kind in _TENSORS for each in mirror.bucket.under(f"{prefix}/{kind}/")]
    return [mirror.root / each.name for each in found]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, partial)
    partial.replace(target)


def _holds_something(folder: Path) -> bool:
    return os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir()))
