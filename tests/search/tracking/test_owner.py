"""The id of a store stays with it wherever it is moved; a copy is another store."""

import shutil
from pathlib import Path

import pytest

from dropattack import UsageError
from search.records.store import Store
from search.tracking.owner import known_owner_of, owner_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    root = tmp_path / "runs"
    root.mkdir()
    return Store(root)


def test_a_store_has_one_id_that_no_other_has(tmp_path: Path, store: Store) -> None:
    assert known_owner_of(store) == ""
    known = owner_of(store)
    assert known
    assert (owner_of(store), known_owner_of(store)) == (known, known)
    assert owner_of(Store(tmp_path / "other")) != known


def test_a_store_that_was_moved_keeps_it(tmp_path: Path, store: Store) -> None:
    known = owner_of(store)
    moved = Store(store.root.rename(tmp_path / "elsewhere"))
    assert known_owner_of(moved) == known
    assert owner_of(moved) == known
    assert owner_of(Store(moved.root.rename(store.root))) == known, "and back"


def test_a_store_under_two_names_is_one(tmp_path: Path, store: Store) -> None:
    known = owner_of(store)
    (tmp_path / "link").symlink_to(store.root)
    assert owner_of(Store(tmp_path / "link")) == known


def test_a_copy_gets_one_of_its_own_and_keeps_that(tmp_path: Path, store: Store) -> None:
    known = owner_of(store)
    copy = Store(Path(shutil.copytree(store.root, tmp_path / "copy")))
    assert known_owner_of(copy) == "", "it has not been run yet"
    own = owner_of(copy)
    assert own != known
    assert (owner_of(copy), owner_of(store)) == (own, known)
    copy_of_copy = Store(Path(shutil.copytree(copy.root, tmp_path / "copy-of-copy")))
    assert owner_of(copy_of_copy) not in (own, known)


def test_a_copy_whose_original_is_gone_stands_for_it(tmp_path: Path, store: Store) -> None:
    known = owner_of(store)
    copy = Store(Path(shutil.copytree(store.root, tmp_path / "copy")))
    shutil.rmtree(store.root)
    assert owner_of(copy) == known


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 3}'])
def test_a_damaged_note_is_refused_with_what_to_do(store: Store, content: bytes) -> None:
    owner_of(store)
    (store.root / "store.json").write_bytes(content)
    with pytest.raises(UsageError, match="delete it"):
        owner_of(store)
