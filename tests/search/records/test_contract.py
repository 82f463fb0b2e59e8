"""The store in a folder keeps the contract that `dropattack.testing` asks of any other."""

from pathlib import Path

from typing_extensions import override

from dropattack.testing import StoreContract
from search.definition.sweep import Sweep
from search.records.store import Store


class TestFolder(StoreContract):
    @override
    def make(self, folder: Path) -> Store:
        return Store(folder)

    @override
    def tear(self, store: Store, sweep: Sweep, cut: int) -> None:
        path = store.journal_path(sweep.name)
        path.write_bytes(path.read_bytes()[:-cut])
