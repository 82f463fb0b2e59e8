"""PHEME rumours on Twitter (Kochkina, Liakata and Zubiaga, 2018) in the layouts that exist."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from dropattack import UsageError, setting
from dropattack.errors import unknown
from trainables.data import files
from trainables.data.text import TextSettings
from trainables.datasets.documents import Corpus, Documents
from trainables.datasets.texts import TextDataset

_TWEETS = "pheme9_source_tweets.csv"
_AUTHORS = ("2018_train.csv", "2018_val.csv", "2018_test.csv")
_THREADS = "all-rnr-annotated-threads"
_LABELS = ("0", "1")
_SOURCE, _REPLIES = ("source-tweets", "source-tweet"), "reactions"
_EVENT = "-all-rnr-threads"
"""The end of the name of an event's folder, after the event's name."""
_NOT_IN_NAMES = re.compile(r"[^\w-]")
_FOLDERS = ("non-rumours", "rumours")


@dataclass(frozen=True, kw_only=True)
class PhemeSettings(TextSettings):
    """Which part of a thread is read, and how it is encoded."""

    threads: str = setting(
        "source",
        "Files below ROOT/PHEME. source: source tweets alone, from "
        f"{_TWEETS} or else from the official JSON tree {_THREADS}; replies: the tree's threads with their "
        f"replies; authors: the DropAttack authors' own texts and split, {', '.join(_AUTHORS)}.",
        choices=("source", "replies", "authors"),
    )
    held_out: str = setting(
        "",
        "Events to test on and not to train on, joined by +, such as gurlitt+ottawashooting; "
        "validation and training are dealt from the others. Empty for a split over all events.",
    )

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        events = sorted({event for event in self.held_out.split("+") if event})
        object.__setattr__(self, "held_out", "+".join(events))

    @override
    def digested(self) -> dict[str, Any]:
        """See `TextSettings.digested`; it leaves ``held_out`` out while that is empty."""
        found = super().digested()
        return found if self.held_out else {name: v for name, v in found.items() if name != "held_out"}


class Pheme(TextDataset):
    """6,425 threads of nine events, split 5,145/643/637 as in the paper; class 1 is rumour.

    Events are the groups. The authors' files do not name events, so their texts have no groups.
    """

    name = "pheme"
    settings_type = PhemeSettings
    published = 6_425
    classes = 2
    positive = 1
    grouped = True

    @override
    def sources(self, root: Path, settings: PhemeSettings) -> list[Path]:
        folder = root / "PHEME"
        if settings.threads == "authors":
            return [files.require(folder / name, self.name) for name in _AUTHORS]
        if settings.threads == "source" and (folder / _TWEETS).is_file():
            return [folder / _TWEETS]
        tree = files.require(folder / _THREADS, self.name)
        kinds = _SOURCE if settings.threads == "source" else (*_SOURCE, _REPLIES)
        return sorted(path for kind in kinds for path in tree.glob(f"*/*/*/{kind}/[!.]*.json"))

    @override
    def read(self, root: Path, settings: PhemeSettings) -> Corpus:
        sources = self.sources(root, settings)
        if settings.threads == "authors":
            if settings.held_out:
                raise UsageError("data.held_out needs each thread's event; use it without threads=authors")
            return self._authors(sources)
        one_file = bool(sources) and sources[0].name == _TWEETS
        pairs = _rows(sources[0], "tweet_id") if one_file else _threads(sources)
        whole = Documents.grouped(
            (text, label, _NOT_IN_NAMES.sub("-", event)) for *_, text, label, event in _once(pairs)
        )
        if settings.held_out:
            return _by_event(whole, settings.held_out.split("+"))
        valid, test, train = whole.parted(643 / 6425, 637 / 6425)
        return train, valid, test

    def _authors(self, sources: list[Path]) -> Corpus:
        """The authors' split; a thread may be in one of the files only."""
        listed = [list(_rows(path, "eid")) for path in sources]
        _once(row for rows in listed for row in rows)
        train, valid, test = (Documents.of((text, label) for *_, text, label, _ in rows) for rows in listed)
        return train, valid, test


def _by_event(whole: Documents, held_out: list[str]) -> Corpus:
    """Tests on some events, and splits the others as all are split otherwise."""
    known = sorted(set(whole.groups))
    for event in held_out:
        if event not in known:
            raise unknown("event in data.held_out", event, known)
    tested = {i for i, event in enumerate(whole.groups) if event in held_out}
    rest = whole.take(i for i in range(len(whole)) if i not in tested)
    if not len(rest):
        raise UsageError("data.held_out names all events, and none is left to train on; name fewer")
    valid, train = rest.parted(643 / (6425 - 637))
    return train, valid, whole.take(sorted(tested))


_Row = tuple[str, str, str, int, str]
"""A thread's identifier, its place, its text, its label, and its event if that is known."""


def _rows(path: Path, identifier: str) -> Iterator[_Row]:
    for where, row in files.rows(path, (identifier, "text", "label"), optional=("event",)):
        yield row[identifier], where, row["text"], files.label(row["label"], where, _LABELS), row["event"]


def _once(rows: Iterable[_Row]) -> list[_Row]:
    """Threads ordered by number, so that every layout has the same order and the same split."""
    listed = sorted(rows, key=lambda row: (len(row[0]), row[0]))
    files.refuse_repetition(((name, where) for name, where, *_ in listed), "thread")
    return listed


def _threads(paths: list[Path]) -> Iterator[_Row]:
    """Threads of the official tree, EVENT/{rumours,non-rumours}/THREAD/{source-tweets,reactions}/TWEET.json.

    The text is the source tweet and its replies, oldest first, joined by `` | ``.
    """
    replies: dict[Path, list[tuple[int, str]]] = {}
    source: dict[Path, str] = {}
    for path in paths:
        thread = path.parent.parent
        if path.parent.name == _REPLIES:
            replies.setdefault(thread, []).append(_tweet(path))
        else:
            source[thread] = _tweet(path)[1]
    for thread, text in sorted(source.items()):
        if thread.parent.name not in _FOLDERS:
            raise UsageError(f"{thread}: is in neither folder, {' or '.join(_FOLDERS)}; move it")
        whole = [text, *(reply for _, reply in sorted(replies.get(thread, [])))]
        event = thread.parent.parent.name.removesuffix(_EVENT)
        yield thread.name, str(thread), " | ".join(whole), _FOLDERS.index(thread.parent.name), event


def _tweet(path: Path) -> tuple[int, str]:
    """Identifier, which grows with time, and text of a tweet."""
    content = files.text(files.read(path), str(path))
    try:
        tweet = json.loads(content)
        return int(tweet["id"]), str(tweet["text"])
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: not a tweet with a number as 'id' and with 'text'") from error
