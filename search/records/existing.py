"""The store of a command that only reads one: it must be there."""

from pathlib import Path

from dropattack import UsageError
from search.records.mirrored import name_of
from search.records.store import Store
from trainables.remote.mirror import mirror_of


def existing_store(root: Path) -> Store:
    """Opens a store that is there; makes nothing.

    A folder is a store once it holds ``sweeps/``; at an address one is marked with an object of its own.

    Args:
        root: The folder of the store, or this node's copy of one at an address.

    Raises:
        UsageError: There is no store, as where its name is misspelt.
    """
    mirror = mirror_of(root)
    there = (root / "sweeps").is_dir() if mirror is None else bool(mirror.check_form())
    if not there:
        raise UsageError(
            f"there is no store {name_of(root)}; name another --store, or run a sweep there first, "
            "such as `dropattack run demo`"
        )
    return Store(root)
