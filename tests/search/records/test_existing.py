"""A command that reads a store refuses a place where none is, and makes nothing there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click import testing

from dropattack import UsageError
from search.api.result import Result
from search.api.running import status
from search.records.existing import existing_store
from search.records.mirrored import folder_of
from search.records.store import Store
from tests.search.simulation import sweep

READ = [
    ("status",),
    ("status", "small"),
    ("status", "--json"),
    ("best", "small"),
    ("report", "small"),
    ("report", "small", "other"),
    ("robustness", "small", "--attacks", "fgsm:0.1"),
    ("ui",),
    ("ui", "small", "--optuna"),
    ("store", "check"),
    ("store", "copy", "{place}", "copied"),
]


def _nothing(place: Path) -> None:
    """A name that was misspelt."""


def _file(place: Path) -> None:
    place.write_text("{}", encoding="utf-8")


def _another_folder(place: Path) -> None:
    """The folder of one sweep, such as somebody completes with the tab key."""
    (place / "report").mkdir(parents=True)
    (place / "journal.log").touch()


@pytest.mark.parametrize("words", READ, ids=" ".join)
@pytest.mark.parametrize("make", [_nothing, _file, _another_folder])
def test_a_command_that_reads_says_that_there_is_no_store(
    command: Callable[..., testing.Result],
    tmp_path: Path,
    words: tuple[str, ...],
    make: Callable[[Path], None],
) -> None:
    make(tmp_path / "rnus")
    before = sorted(os.walk(tmp_path))
    words = tuple(word.format(place="rnus") for word in words)
    said = command(*words, *([] if "copy" in words else ["--store", "rnus"]))
    assert (said.exit_code, said.stdout) == (2, "")
    (line,) = said.stderr.splitlines()
    assert line.startswith("dropattack: there is no store rnus; name another --store, or run a sweep there")
    assert sorted(os.walk(tmp_path)) == before


def test_in_python_too(tmp_path: Path) -> None:
    for ask in (Result.load, status):
        with pytest.raises(UsageError, match="there is no store"):
            ask("small", tmp_path / "rnus")
    assert list(tmp_path.iterdir()) == []


def test_an_address_at_which_nothing_lies_is_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path))
    place = folder_of("memory://existing/nothing")
    with pytest.raises(UsageError, match="there is no store memory://existing/nothing; name another"):
        existing_store(place)
    Store(place).define(sweep())
    assert existing_store(place).sweeps() == ["small"]


def test_a_store_that_lacks_a_sweep_says_which_it_has(
    command: Callable[..., testing.Result], tmp_path: Path
) -> None:
    Store(tmp_path / "runs").define(sweep())
    for words in READ[1:2] + READ[3:7]:
        said = command(*(word.replace("small", "smal") for word in words))
        assert (said.exit_code, said.stdout) == (2, "")
        (line,) = said.stderr.splitlines()
        assert line.endswith("sweep 'smal' has not been run in runs; those that have: small")
