"""Several nodes in one process: each has a copy of its own of what lies at an address."""

import itertools
from pathlib import Path

import pytest

from search.records.mirrored import folder_of
from search.records.store import Store
from trainables.remote.mirror import mirror_of

_PLACES = itertools.count()


class Nodes:
    """Opens one store from several nodes.

    Args:
        patch: Says where each node's cache is.
        folder: Where the caches are.
        address: Where the store is; in memory, at a place of its own, by default.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, address: str = "") -> None:
        self._patch, self._folder = patch, folder
        self.address = address or f"memory://nodes-{next(_PLACES)}/in"

    def store(self, node: str) -> Store:
        """The store as a node sees it."""
        self._patch.setenv("DROPATTACK_CACHE", str(self._folder / node))
        return Store(folder_of(self.address))

    def objects(self, prefix: str = "") -> list[str]:
        """Names of all objects at the address below a folder."""
        mirror = mirror_of(self.store("who-looks").root)
        assert mirror is not None
        return [each.name for each in mirror.bucket.under(prefix)]
