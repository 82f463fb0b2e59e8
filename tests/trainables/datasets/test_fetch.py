"""Fetching: whole or not at all, once for everyone, and a clear word where nothing can be reached."""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from dropattack import UsageError
from trainables.datasets import fetch as module
from trainables.datasets.agnews import AgNews
from trainables.datasets.fetch import Fetchable, Report, fetch, verify
from trainables.datasets.sources import Source


@dataclass(frozen=True)
class Here(Source):
    """A source that writes what it is given, slowly enough for two to meet, and counts its calls."""

    content: str
    calls: Path

    def __str__(self) -> str:
        return "here"

    def obtain(self, folder: Path) -> None:
        with self.calls.open("a") as file:
            file.write("called\n")
        for part in ("one", "two"):
            (folder / "things").mkdir(exist_ok=True)
            (folder / "things" / part).write_text(self.content)


class Nowhere(Source):
    """A source out of reach."""

    def __str__(self) -> str:
        return "far away"

    def obtain(self, folder: Path) -> None:
        (folder / "things").mkdir()
        (folder / "things" / "one").write_text("half")
        raise requests.ConnectionError("a long story")


def check(root: Path) -> Report:
    """Both parts say the same, and the data are complete where it is "good"."""
    for part in ("one", "two"):
        path = root / "things" / part
        if not path.exists():
            raise UsageError(f"{path} is missing")
        if path.read_text() not in ("good", "partial"):
            raise UsageError(f"{path} is corrupted")
    return Report("things: there", complete=path.read_text() == "good")


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Makes "things" fetchable from the sources given, and returns the data root."""

    def make(*sources: Source) -> Path:
        wanted = Fetchable(check, sources, "both things into things below the data root")
        monkeypatch.setattr(module, "FETCHABLE", {"things": wanted})
        return tmp_path / "root"

    return make


def everything(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} - {".things.lock"}


def test_the_first_source_that_verifies_is_taken(offer: Callable[..., Path], tmp_path: Path) -> None:
    root = offer(Nowhere(), Here("bad", tmp_path / "bad"), Here("good", tmp_path / "good"))
    assert fetch("things", root) == Report("things: there")
    assert everything(root) == {"things/one", "things/two"}
    assert (root / "things/one").read_text() == "good"
    assert not [p for p in root.iterdir() if p.name.startswith(".fetching")]


def test_what_is_there_is_not_fetched_again(offer: Callable[..., Path], tmp_path: Path) -> None:
    root = offer(Here("good", tmp_path / "calls"))
    for _ in range(2):
        fetch("things", root)
    assert (tmp_path / "calls").read_text() == "called\n"


def test_broken_files_are_replaced(offer: Callable[..., Path], tmp_path: Path) -> None:
    root = offer(Here("good", tmp_path / "calls"))
    fetch("things", root)
    (root / "things/two").write_text("spoilt")
    with pytest.raises(UsageError, match="two is corrupted"):
        verify("things", root)
    fetch("things", root)
    assert verify("things", root).complete


def test_where_nothing_can_be_reached_the_message_says_what_to_put_where(offer: Callable[..., Path]) -> None:
    root = offer(Nowhere())
    with pytest.raises(UsageError) as caught:
        fetch("things", root)
    assert str(caught.value) == (
        "could not fetch things: put both things into things below the data root (far away: no connection)"
    )
    assert everything(root) == set()


def test_a_part_is_kept_where_the_rest_cannot_be_had(offer: Callable[..., Path], tmp_path: Path) -> None:
    root = offer(Here("partial", tmp_path / "calls"))
    fetch("things", root)
    offer(Nowhere())
    found = fetch("things", root)
    assert found == Report("things: there; the rest could not be fetched (far away: no connection)", False)
    assert everything(root) == {"things/one", "things/two"}


def test_a_root_that_cannot_be_written_is_named(
    offer: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = offer(Here("good", tmp_path / "calls"))

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(UsageError, match=r"cannot write to data root .*root"):
        fetch("things", root)


def test_an_unknown_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown dataset 'minst'; did you mean 'mnist'"):
        verify("minst", tmp_path)


def _fetch_in_a_process(root: Path, calls: Path, cache: str, start: "multiprocessing.Barrier") -> None:  # type: ignore[name-defined]
    os.environ["DROPATTACK_CACHE"] = cache
    module.FETCHABLE = {"things": Fetchable(check, (Here("good", calls),), "")}  # type: ignore[misc]
    start.wait()
    fetch("things", root)


@pytest.mark.heavy
def test_processes_that_fetch_at_once_download_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    start = context.Barrier(3)
    arguments = (tmp_path / "root", tmp_path / "calls", str(tmp_path / "cache"), start)
    processes = [context.Process(target=_fetch_in_a_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "calls").read_text() == "called\n"
    assert check(tmp_path / "root").complete


def test_mnist_as_it_lies_in_the_data_root_verifies(data_root: Path) -> None:
    assert verify("mnist", data_root).text.startswith("mnist: complete, checksum")


def test_a_part_of_agnews_is_told_from_the_whole(data_root: Path) -> None:
    report = verify("agnews", data_root)
    assert not report.complete
    assert "45,285 of the 127,600 published examples" in report.text
    assert report.text.endswith("; not the published file: ag_news_csv/train.csv")


def test_only_published_content_is_called_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ag_news_csv"
    folder.mkdir()
    for name, rows in (("train", 48), ("test", 8)):
        (folder / f"{name}.csv").write_text("".join(f"{i % 4 + 1},{name},{i}\n" for i in range(rows)))
    monkeypatch.setattr(AgNews, "published", 56)
    report = verify("agnews", tmp_path)
    assert report.complete
    assert report.text.startswith("agnews: as many examples as published (44 train, 4 valid, 8 test), ")
    assert report.text.endswith("; not the published file: ag_news_csv/train.csv, ag_news_csv/test.csv")
    with monkeypatch.context() as patched:
        patched.setattr(module, "content_hash", lambda path, like: like)
        assert verify("agnews", tmp_path).text.startswith("agnews: complete (44 train, 4 valid, 8 test), ")
    (folder / "test.csv").write_text("".join(f"{i % 4 + 1},train,{i}\n" for i in range(8)))
    text = verify("agnews", tmp_path).text
    assert "8 test; 8 left out, which are also in another split)" in text


def test_vectors_are_verified_number_by_number(tmp_path: Path) -> None:
    (tmp_path / "glove").mkdir()
    path = tmp_path / "glove/small.txt"
    path.write_text("the 0.1 0.2\ncat 0.1 0.3\n")
    assert verify("glove", tmp_path).text == "glove: small.txt (2 vectors of 2 numbers)"
    for line, message in (("cat 0.1 abc", "could not convert"), ("cat 0.1 nan", "a number is not finite")):
        path.write_text(f"the 0.1 0.2\n{line}\n")
        with pytest.raises(UsageError, match=rf"small\.txt, line 2: {message}"):
            verify("glove", tmp_path)


def test_pheme_in_a_copy_with_a_repeated_tweet_is_refused(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "PHEME").mkdir()
    copy = tmp_path / "PHEME/pheme9_source_tweets.csv"
    shutil.copyfile(data_root / "PHEME/pheme9_source_tweets.csv", copy)
    said = verify("pheme", tmp_path).text
    assert said.startswith(
        "pheme: as many examples as published (5,145 train, 643 valid, 637 test), checksum"
    )
    with copy.open("a") as file:
        file.write("copied,1,ottawashooting,525008463819464704,true,exact\n")
    with pytest.raises(UsageError, match=r"thread '5250\d*' is already in .*, line 2; remove one"):
        verify("pheme", tmp_path)
