"""Stores in a folder, in memory and at an address keep the contract that `dropattack.testing` asks of any."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from dropattack.testing import StoreContract
from search.definition.sweep import Sweep
from search.records.mirrored import folder_of
from search.records.store import Store
from tests.trainables.remote.server import BUCKET, s3_server


class TestFolder(StoreContract):
    @override
    def make(self, folder: Path) -> Store:
        return Store(folder)

    @override
    def tear(self, store: Store, sweep: Sweep, cut: int) -> None:
        path = store.journal_path(sweep.name)
        path.write_bytes(path.read_bytes()[:-cut])


class TestMemory(StoreContract):
    @override
    def make(self, folder: Path) -> Store:
        return Store(folder_of(f"memory://{folder.name}"))

    @override
    def test_a_killed_writer_loses_nothing_and_stands_in_nobodys_way(self, tmp_path: Path) -> None:
        pytest.skip("another process has another memory")


class TestS3(StoreContract):
    @pytest.fixture(autouse=True, scope="class")
    def _server(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch, s3_server(patch):
            yield

    @override
    def make(self, folder: Path) -> Store:
        return Store(folder_of(f"s3://{BUCKET}/{folder.name}"))
