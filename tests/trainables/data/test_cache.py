"""The cache: encoded once, whole or not at all, shared as mapped pages."""

import multiprocessing
import os
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import torch

from dropattack import UsageError
from trainables.data.cache import CacheError, cached, remembered
from trainables.digest import digest
from trainables.disk import cache_root
from trainables.tensors import save_atomically


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / "cache"))


def files() -> list[str]:
    return sorted(path.name for path in cache_root().iterdir() if path.suffix != ".lock")


def test_an_entry_is_encoded_once_and_comes_back_as_it_was() -> None:
    calls = []

    def encode() -> dict:
        calls.append(1)
        return {"tensor": torch.arange(6, dtype=torch.int32).view(2, 3), "size": 6, "none": None}

    for _ in range(3):
        entry = cached("name", "content", encode)
        assert entry["tensor"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert (entry["size"], entry["none"]) == (6, None)
    assert len(calls) == 1
    assert files() == ["name-content.pt"]


def test_an_encoder_that_fails_leaves_nothing() -> None:
    def fail() -> dict:
        raise RuntimeError("broken file")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken file"):
            cached("name", "content", fail)
    assert files() == []


def test_a_write_that_fails_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    save_atomically({"epoch": 1}, path)

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        save_atomically({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_who_may_read_a_file_is_the_umasks_to_say(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        save_atomically({"epoch": 1}, tmp_path / "state.pt")
    finally:
        os.umask(before)
    assert (tmp_path / "state.pt").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("folder", ["/proc/no/cache", "file/cache"])
def test_a_cache_that_cannot_be_written_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / folder))
    for use in (lambda: cached("name", "content", dict), lambda: remembered("name", lambda: "text")):
        with pytest.raises(
            UsageError,
            match=rf"^cannot use the cache .*{folder} .*set DROPATTACK_CACHE to a folder",
        ) as caught:
            use()
        assert isinstance(caught.value, OSError)


def test_a_cache_of_another_account_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(CacheError, match=r"cannot use the cache .*Permission denied"):
        cached("name", "content", dict)


def test_errors_of_an_encoder_are_not_the_caches() -> None:
    def broken() -> dict:
        raise OSError("a broken data file")

    with pytest.raises(OSError, match=r"^a broken data file$"):
        cached("name", "content", broken)


def _encode_in_a_process(cache: str, calls: Path, start: Barrier) -> None:
    os.environ["DROPATTACK_CACHE"] = cache

    def encode() -> dict:
        with calls.open("a") as file:
            file.write("called\n")
        time.sleep(0.3)
        return {"tensor": torch.arange(1000)}

    start.wait()
    assert cached("name", "content", encode)["tensor"].sum() == 499_500


@pytest.mark.heavy
def test_processes_that_need_an_entry_at_once_encode_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    start = context.Barrier(3)
    arguments = (str(cache_root()), tmp_path / "calls", start)
    processes = [context.Process(target=_encode_in_a_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "calls").read_text() == "called\n"


def test_digests_tell_values_apart_and_nothing_else() -> None:
    assert digest({"b": 1, "a": [2.5, "é"]}) == digest({"a": [2.5, "é"], "b": 1})
    assert len({digest(1), digest("1"), digest([1]), digest(1, None), digest()}) == 5


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half of it", b"text", None])
def test_a_damaged_entry_is_made_anew_and_said(
    caplog: pytest.LogCaptureFixture, damage: bytes | None
) -> None:
    """``None`` cuts it to half."""
    made = []

    def encode() -> dict[str, torch.Tensor]:
        made.append(1)
        return {"images": torch.arange(5000)}

    cached("set", "abc", encode)
    (path,) = cache_root().glob("set-*.pt")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage is None else damage)
    for _ in range(2):
        assert torch.equal(cached("set", "abc", encode)["images"], torch.arange(5000))
    assert len(made) == 2
    assert [r.getMessage() for r in caplog.records if "is made anew" in r.getMessage()] != []


@pytest.mark.parametrize("damage", ["", "0123", "0123456789abcdef", "0123456789abcdef fedcba9876543210"])
def test_a_damaged_note_is_found_anew(damage: str) -> None:
    assert remembered("note", lambda: "right") == "right"
    (cache_root() / "digests" / "note").write_text(damage)
    assert remembered("note", lambda: "right") == "right"
    assert remembered("note", lambda: "not asked for") == "right"
