"""The id of a store, which separates its runs from other stores' on a shared MLflow server.

A store that is moved keeps its id. A copy gets one of its own as soon as it is run, if the store that it was
made of is still where it was; else it counts as that store, moved.
"""

import uuid
from pathlib import Path

from pydantic import BaseModel, ValidationError

from dropattack import UsageError
from search.records.store import Store
from trainables.disk import write_atomically
from trainables.remote.files import send
from trainables.remote.mirror import mirror_of


class _Note(BaseModel, extra="forbid"):
    """What a store notes of itself: its id, and where it was when it was last run."""

    id: str
    at: str


def owner_of(store: Store) -> str:
    """The id of a store, which it notes where it has none yet.

    Raises:
        UsageError: Its note cannot be read.
    """
    known, here = _noted(store.root), _place(store)
    if known is not None and known.at == here:
        return known.id
    if known is None or _is_copy(store.root, known):
        known = _Note(id=uuid.uuid4().hex, at=here)
    note = _Note(id=known.id, at=here)
    write_atomically(_path(store.root), note.model_dump_json().encode())
    send(_path(store.root))
    return note.id


def known_owner_of(store: Store) -> str:
    """The id of a store, without noting one; empty for a store without an id, or a copy not yet run."""
    known = _noted(store.root)
    return "" if known is None or _is_copy(store.root, known) else known.id


def _place(store: Store) -> str:
    """Where a store is: the path of its folder, or its address."""
    return str(store.root.resolve()) if mirror_of(store.root) is None else store.name


def _is_copy(root: Path, known: _Note) -> bool:
    """Whether the store that a note speaks of is still elsewhere."""
    there = Path(known.at)
    other = _noted(there) if there.is_dir() and not there.samefile(root) else None
    return other is not None and other.id == known.id


def _path(root: Path) -> Path:
    return root / "store.json"


def _noted(root: Path) -> _Note | None:
    path = _path(root)
    try:
        return _Note.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise UsageError(
            f"{path} is of another version of this program or damaged; delete it, and MLflow shows this "
            "store's sweeps in new experiments"
        ) from None
