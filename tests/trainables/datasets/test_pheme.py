"""PHEME on tweets written here: table, tree and the authors' split, and errors."""

import json
import os
from pathlib import Path

import pytest

from dropattack import UsageError
from tests.trainables.datasets.corpora import PLAIN, refused, words
from trainables.datasets.pheme import Pheme, PhemeSettings

pytestmark = pytest.mark.usefixtures("empty_cache")


def write_tweets(root: Path, rows: int = 40, change: str = "") -> Path:
    folder = root / "PHEME"
    folder.mkdir()
    lines = [f"source {i},{i % 2},event,{i},true,exact\n" for i in range(rows)]
    header = "text,label,event,tweet_id,veracity,text_check\n"
    (folder / "pheme9_source_tweets.csv").write_text(header + "".join(lines) + change)
    return root


def write_threads(root: Path, threads: int = 40) -> Path:
    for number in range(threads):
        kind = ("non-rumours", "rumours")[number % 2]
        folder = root / "PHEME/all-rnr-annotated-threads/event-all-rnr-threads" / kind / str(number)
        for part, tweets in (("source-tweets", [number]), ("reactions", [number + 2000, number + 1000])):
            (folder / part).mkdir(parents=True)
            for tweet in tweets:
                said = "source" if part == "source-tweets" else f"reply{tweet // 1000}"
                (folder / part / f"{tweet}.json").write_text(
                    json.dumps({"id": tweet, "text": f"{said} {number}"})
                )
            (folder / part / "._mac.json").write_bytes(b"\x00\x05\x16")
        (folder / "annotation.json").write_text("{}")
    return root


def test_source_tweets_are_the_same_from_the_table_and_from_the_tree(tmp_path: Path) -> None:
    table, tree = tmp_path / "a", tmp_path / "b"
    for folder in (table, tree):
        folder.mkdir()
    settings = PhemeSettings(**PLAIN)
    one = Pheme().load(write_tweets(table), settings)
    other = Pheme().load(write_threads(tree), settings)
    assert one.positive == 1
    assert [len(split) for split in (one.train, one.valid, one.test)] == [32, 4, 4]
    for data in (one, other):
        assert "source" in words(data)
        assert "reply1" not in words(data)
    assert sorted(words(one)) == sorted(words(other))


def test_threads_hold_their_replies_oldest_first(tmp_path: Path) -> None:
    data = Pheme().load(write_threads(tmp_path), PhemeSettings(threads="replies", **PLAIN))
    vocabulary = words(data)
    row = [vocabulary[i] for i in data.train.tokens[0].tolist()]
    number = row[1]
    assert row == ["source", number, "|", "reply1", number, "|", "reply2", number]


def test_the_authors_split_is_kept(tmp_path: Path) -> None:
    (tmp_path / "PHEME").mkdir()
    for start, name in enumerate(("train", "val", "test")):
        rows = "".join(f"{start}{i},{name} {i},{i % 2}\n" for i in range(4 + start))
        (tmp_path / "PHEME" / f"2018_{name}.csv").write_text(f"eid,text,label\n{rows}")
    settings = PhemeSettings(threads="authors", **PLAIN)
    data = Pheme().load(tmp_path, settings)
    assert [len(split) for split in (data.train, data.valid, data.test)] == [4, 5, 6]
    with (tmp_path / "PHEME/2018_test.csv").open("a") as file:
        file.write("02,train 2 again,0\n")
    os.utime(tmp_path / "PHEME/2018_test.csv", ns=(1, 1))
    with pytest.raises(UsageError, match=r"2018_test\.csv, line 8: thread '02' is already in .*2018_train"):
        Pheme().load(tmp_path, settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("again,0,event,3,true,exact\n", r"line 42: thread '3' is already in .* line 5; remove one"),
        ("odd,2,event,99,true,exact\n", r"line 42: label '2' is none of 0, 1"),
    ],
)
def test_a_broken_table_of_tweets_is_one_clear_error(tmp_path: Path, change: str, message: str) -> None:
    refused(Pheme(), write_tweets(tmp_path, change=change), PhemeSettings(**PLAIN), message)


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    path = write_tweets(tmp_path) / "PHEME/pheme9_source_tweets.csv"
    path.write_text(path.read_text().replace("label", "class", 1))
    refused(Pheme(), tmp_path, PhemeSettings(**PLAIN), r"line 1: no column 'label'")


@pytest.mark.parametrize("content", ["\ufeff", "\ufeff\n", "\n"])
def test_a_table_without_a_header_is_refused(tmp_path: Path, content: str) -> None:
    (write_tweets(tmp_path) / "PHEME/pheme9_source_tweets.csv").write_text(content)
    refused(Pheme(), tmp_path, PhemeSettings(**PLAIN), r"tweets\.csv, line 1: no column 'tweet_id'")


def test_a_broken_tweet_is_named(tmp_path: Path) -> None:
    root = write_threads(tmp_path)
    tweet = next((root / "PHEME").rglob("reactions/[0-9]*.json"))
    settings = PhemeSettings(threads="replies", **PLAIN)
    tweet.write_text('{"id": 1,\n "text": }')
    refused(Pheme(), root, settings, rf"{tweet.name}, line 2: not JSON")
    tweet.write_text('{"text": "no id"}')
    refused(Pheme(), root, settings, rf"{tweet.name}: not a tweet")
    tweet.write_text('{"id": "one", "text": "a word for an id"}')
    refused(Pheme(), root, settings, rf"{tweet.name}: not a tweet with a number as 'id'")
    tweet.write_bytes(b'{"id": 1,\n "text": "caf\xe9"}')
    refused(Pheme(), root, settings, rf"{tweet.name}, line 2: not UTF-8")


EVENTS = ("ottawashooting", "germanwings-crash", "gurlitt")


def test_events_are_the_groups_of_table_and_tree(tmp_path: Path) -> None:
    """Each text's event, by the number that its text holds."""
    table, tree = tmp_path / "a", tmp_path / "b"
    folders = [table / "PHEME", tree / "PHEME"]
    for folder in folders:
        folder.mkdir(parents=True)
    rows = [f"source {i},{i % 2},{EVENTS[i % 3]},{i},true,exact\n" for i in range(60)]
    header = "text,label,event,tweet_id,veracity,text_check\n"
    (folders[0] / "pheme9_source_tweets.csv").write_text(header + "".join(rows))
    for i in range(60):
        kind = ("non-rumours", "rumours")[i % 2]
        place = folders[1] / f"all-rnr-annotated-threads/{EVENTS[i % 3]}-all-rnr-threads/{kind}/{i}"
        (place / "source-tweets").mkdir(parents=True)
        (place / "source-tweets" / f"{i}.json").write_text(json.dumps({"id": i, "text": f"source {i}"}))
    settings = PhemeSettings(**PLAIN, vocabulary_from="all")
    for root in (table, tree):
        data = Pheme().load(root, settings)
        assert data.groups is not None
        assert list(data.groups.names) == sorted(EVENTS)
        vocabulary = words(data)
        for name in ("train", "valid", "test"):
            numbers = [int(vocabulary[i]) for i in getattr(data, name).tokens[:, 1].tolist()]
            assert [EVENTS[i % 3] for i in numbers] == [
                data.groups.names[g] for g in getattr(data.groups, name).tolist()
            ]
    assert Pheme().checksum(table, settings) == Pheme().checksum(tree, settings)


def test_of_one_event_or_none_there_are_no_groups(tmp_path: Path) -> None:
    assert Pheme().load(write_tweets(tmp_path), PhemeSettings(**PLAIN)).groups is None
    path = tmp_path / "PHEME" / "pheme9_source_tweets.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(f"{text},{label},{number}\n" for text, label, _, number, *_ in lines))
    assert Pheme().load(tmp_path, PhemeSettings(**PLAIN)).groups is None


def _events(root: Path) -> Path:
    """40 tweets of four events in turn, and both classes of each."""
    folder = root / "PHEME"
    folder.mkdir()
    lines = [f"source {i},{i // 4 % 2},{'abcd'[i % 4]},{i},true,exact\n" for i in range(40)]
    (folder / "pheme9_source_tweets.csv").write_text(
        "text,label,event,tweet_id,veracity,text_check\n" + "".join(lines)
    )
    return root


def test_events_held_out_are_tested_on_and_not_trained_on(tmp_path: Path) -> None:
    root = _events(tmp_path)
    train, valid, test = Pheme().read(root, PhemeSettings(**PLAIN, held_out="d+b+d"))
    assert set(test.groups) == {"b", "d"}
    assert len(test) == 20
    assert set(train.groups) | set(valid.groups) == {"a", "c"}
    assert (len(train), len(valid)) == (18, 2)
    assert len(set(train.texts) | set(valid.texts) | set(test.texts)) == 40


def test_settings_without_events_held_out_are_those_of_before(tmp_path: Path) -> None:
    """Digests of data are made of them: those of recorded trials must stay."""
    assert "held_out" not in PhemeSettings().digested()
    assert PhemeSettings(held_out="d+b").digested()["held_out"] == "b+d"
    assert PhemeSettings.from_dict(PhemeSettings(held_out="b").to_dict()).held_out == "b"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"held_out": "a+e"}, "event in data.held_out 'e'"),
        ({"held_out": "a+b+c+d"}, "names all events"),
        ({"held_out": "a", "threads": "authors"}, "needs each thread"),
    ],
)
def test_events_that_cannot_be_held_out_are_refused(
    tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    root = _events(tmp_path)
    for name in ("2018_train.csv", "2018_val.csv", "2018_test.csv"):
        (root / "PHEME" / name).write_text("eid,text,label\n1,a,0\n")
    with pytest.raises(UsageError, match=message):
        Pheme().read(root, PhemeSettings(**PLAIN, **settings))
