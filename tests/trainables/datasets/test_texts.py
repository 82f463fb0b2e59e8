"""Text datasets on corpora written here: layouts, splits, cache and errors."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dropattack import UsageError
from trainables.data import text
from trainables.data.cache import cache_root
from trainables.data.dataset import Data
from trainables.data.text import TextSettings
from trainables.datasets.agnews import AgNews
from trainables.datasets.csvtext import CsvTexts
from trainables.datasets.imdb import Imdb, ImdbSettings
from trainables.datasets.pheme import Pheme, PhemeSettings
from trainables.datasets.texts import TextDataset
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

PLAIN = {"vectors": ""}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / "cache"))


def words(data: Data) -> list[str]:
    return text.words(data.extras)


def write_imdb(root: Path, per_class: int = 10) -> Path:
    for half in ("train", "test"):
        for label, word in (("neg", "dull"), ("pos", "great")):
            folder = root / "aclImdb" / half / label
            folder.mkdir(parents=True)
            for number in range(per_class):
                (folder / f"{number}_7.txt").write_text(
                    f"{half} {word} number{number} {word} film " * (number + 1)
                )
    return root


def write_archive(root: Path) -> None:
    with tarfile.open(root / "aclImdb_v1.tar.gz", "w:gz") as tar:
        tar.add(root / "aclImdb", "aclImdb")


def write_agnews(root: Path, train: str | bytes | None = None, rows: int = 60) -> Path:
    folder = root / "ag_news_csv"
    folder.mkdir()
    generated = [f'"{i % 4 + 1}","Title {i}","Word{i % 4} said \\\\ ""{i}"""\n' for i in range(rows)]
    content = "".join(generated) if train is None else train
    (folder / "train.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "test.csv").write_text("".join(f"{i % 4 + 1},,Test word{i % 4} {i}\n" for i in range(8)))
    return root


def refused(dataset: TextDataset, root: Path, settings: TextSettings, message: str) -> None:
    """Loading fails with one line, and leaves no entry in the cache."""
    for act in (dataset.checksum, dataset.load):
        with pytest.raises(UsageError, match=message) as caught:
            act(root, settings)
        assert "\n" not in str(caught.value)
    assert not list(cache_root().glob("*.pt"))


def test_the_papers_split_of_imdb_pools_both_halves(tmp_path: Path) -> None:
    root = write_imdb(tmp_path)
    data = Imdb().load(root, ImdbSettings(**PLAIN))
    splits = (data.train, data.valid, data.test)
    assert [len(split) for split in splits] == [32, 4, 4]
    assert [split.labels.bincount().tolist() for split in splits] == [[16, 16], [2, 2], [2, 2]]
    lengths = torch.cat([split.lengths for split in splits]).sort()[0]
    assert lengths.tolist() == sorted([5 * (n + 1) for n in range(10)] * 4)


def test_the_official_split_of_imdb_keeps_the_test_half(tmp_path: Path) -> None:
    data = Imdb().load(write_imdb(tmp_path), ImdbSettings(split="official", **PLAIN))
    assert [len(split) for split in (data.train, data.valid, data.test)] == [18, 2, 20]
    vocabulary = words(data)
    assert "train" in vocabulary
    assert "test" not in vocabulary  # the vocabulary is that of the training split
    assert data.facts["test_unknown_share"] >= 0.2
    leaking = Imdb().load(tmp_path, ImdbSettings(split="official", vocabulary_from="all", **PLAIN))
    assert "test" in words(leaking)
    assert leaking.facts["test_unknown_share"] == 0
    assert leaking.checksum != data.checksum


def test_archive_and_tree_are_the_same_data(tmp_path: Path) -> None:
    root = write_imdb(tmp_path)
    settings = ImdbSettings(**PLAIN)
    tree = Imdb().checksum(root, settings)
    write_archive(root)
    (root / "aclImdb").rename(root / "elsewhere")
    assert Imdb().checksum(root, settings) == tree


def test_the_table_of_reviews_is_split_as_the_tree_is(tmp_path: Path) -> None:
    root = write_imdb(tmp_path)
    settings = ImdbSettings(**PLAIN)
    tree = Imdb().checksum(root, settings)
    reviews = [(path.parent.name, path.read_text()) for path in root.glob("aclImdb/*/*/*.txt")]
    lines = [f'"{review}",{"positive" if label == "pos" else "negative"}\n' for label, review in reviews]
    (root / "aclImdb").rename(root / "elsewhere")
    (root / "IMDB_Dataset.csv").write_text("review,sentiment\n" + "".join(lines))
    assert Imdb().checksum(root, settings) == tree
    refused(Imdb(), root, ImdbSettings(split="official", **PLAIN), r"aclImdb_v1\.tar\.gz is missing")


def test_reviews_of_the_published_test_half_are_left_out_of_the_other(tmp_path: Path) -> None:
    root, settings = write_imdb(tmp_path), ImdbSettings(split="official", **PLAIN)
    before = Imdb().load(root, settings)
    assert [before.facts[name] for name in ("train_left_out", "valid_left_out", "train_repeated")] == [
        0,
        0,
        0,
    ]
    content = (root / "aclImdb/test/pos/4_7.txt").read_text()
    for number in (2, 3):
        (root / f"aclImdb/train/pos/{number}_7.txt").write_text(content)
    data = Imdb().load(root, settings)
    assert [len(split) for split in (data.train, data.valid, data.test)] == [16, 2, 20]
    assert data.facts["train_left_out"] == 2
    assert data.checksum != before.checksum


def test_a_corpus_of_ones_own_gives_up_what_its_test_file_holds(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    files = {"train": "abccdef", "valid": "agh", "test": "bi"}
    for name, texts in files.items():
        rows = "".join(f"{said},{'abcdefghi'.index(said) % 2}\n" for said in texts)
        (tmp_path / "texts" / f"{name}.csv").write_text(f"text,label\n{rows}")
    data = CsvTexts().load(tmp_path, TextSettings(**PLAIN))
    assert sorted(words(data)) == ["<pad>", "<unk>", "c", "d", "e", "f"]
    counts = {name: data.facts[name] for name in ("train_left_out", "valid_left_out", "train_repeated")}
    assert counts == {"train_left_out": 2, "valid_left_out": 0, "train_repeated": 1}
    (tmp_path / "texts" / "valid.csv").write_text("text,label\na,0\nb,1\ni,0\n")
    with pytest.raises(
        UsageError, match="valid split has 1 texts of 1 classes, not of 2; 2 stand in another"
    ):
        CsvTexts().load(tmp_path, TextSettings(**PLAIN))


def test_a_second_load_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, settings = write_imdb(tmp_path), ImdbSettings(**PLAIN)
    first = Imdb().load(root, settings)
    monkeypatch.setattr(Imdb, "read", lambda *_: pytest.fail("read again"))
    second = Imdb().load(root, settings)
    assert second.checksum == first.checksum
    assert torch.equal(second.train.tokens, first.train.tokens)


def test_a_changed_review_changes_the_checksum(tmp_path: Path) -> None:
    root, settings = write_imdb(tmp_path), ImdbSettings(**PLAIN)
    before = Imdb().checksum(root, settings)
    path = root / "aclImdb/train/pos/3_7.txt"
    path.write_text(path.read_text().replace("great", "grand"))
    os.utime(path, ns=(1, 1))
    assert Imdb().checksum(root, settings) != before


def truncate(root: Path) -> None:
    path = root / "aclImdb_v1.tar.gz"
    path.write_bytes(path.read_bytes()[:200])


def duplicate(root: Path) -> None:
    with tarfile.open(root / "aclImdb_v1.tar.gz", "w:gz") as tar:
        for name in ("train/pos/1_7.txt", "train/pos/1_7.txt"):
            tar.add(root / "aclImdb" / name, f"aclImdb/{name}")


def misencode(root: Path) -> None:
    member = tarfile.TarInfo("aclImdb/train/pos/1_7.txt")
    content = b"fine\nfine\nEnglish caf" + b"\xe9"
    member.size = len(content)
    with tarfile.open(root / "aclImdb_v1.tar.gz", "w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (truncate, r"aclImdb_v1\.tar\.gz is truncated or not an archive"),
        (duplicate, r"aclImdb_v1\.tar\.gz: member aclImdb/train/pos/1_7\.txt stands there twice"),
        (misencode, r"aclImdb_v1\.tar\.gz: aclImdb/train/pos/1_7\.txt, line 3: not UTF-8"),
        (lambda root: (root / "aclImdb_v1.tar.gz").write_bytes(b""), "truncated or not an archive"),
        (lambda root: (root / "aclImdb_v1.tar.gz").unlink(), r"aclImdb_v1\.tar\.gz is missing; run"),
    ],
)
def test_a_broken_archive_is_one_clear_error(
    tmp_path: Path, harm: Callable[[Path], object], message: str
) -> None:
    root = write_imdb(tmp_path)
    write_archive(root)
    harm(root)
    (root / "aclImdb").rename(root / "elsewhere")
    refused(Imdb(), root, ImdbSettings(**PLAIN), message)


def test_an_empty_review_is_named(tmp_path: Path) -> None:
    root = write_imdb(tmp_path)
    (root / "aclImdb/test/neg/2_7.txt").write_text("")
    refused(Imdb(), root, ImdbSettings(**PLAIN), r"aclImdb/test/neg/2_7\.txt is empty")


def test_reviews_of_one_class_only_are_refused(tmp_path: Path) -> None:
    root = write_imdb(tmp_path)
    for half in ("train", "test"):
        for path in (root / "aclImdb" / half / "neg").iterdir():
            path.unlink()
    refused(Imdb(), root, ImdbSettings(**PLAIN), "train split has 16 texts of 1 classes, not of 2")


def test_agnews_joins_title_and_description(tmp_path: Path) -> None:
    data = AgNews().load(write_agnews(tmp_path), TextSettings(**PLAIN))
    assert [len(split) for split in (data.train, data.valid, data.test)] == [55, 5, 8]
    assert data.classes == 4
    vocabulary = words(data)
    assert {"title", "said", "word0"} <= set(vocabulary)
    assert not any("\\" in word or '"' in word for word in vocabulary)
    first = [vocabulary[i] for i in data.test.tokens[0].tolist()]
    assert first[:3] == ["<unk>", "word0", "0"]


ROW = '"1","title","text"\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"train\.csv is empty"),
        (ROW * 2 + '"5","title","text"\n', r"train\.csv, line 3: label '5' is none of 1, 2, 3, 4"),
        (ROW + '"2","a\nb","text"\n' + '"3","title"\n', r"train\.csv, line 4: 2 values, not 3"),
        (ROW + '"2","title","text', r"train\.csv, line 2: not a CSV row"),
        (ROW.encode() + b'"2","caf\xe9","x"\n', r"train\.csv, line 2: not UTF-8"),
        ("".join(f"{i % 4 + 1},,Test word{i % 4} {i}\n" for i in range(8)), r"content .* stands already in"),
    ],
)
def test_a_broken_csv_file_is_one_clear_error(tmp_path: Path, content: str | bytes, message: str) -> None:
    refused(AgNews(), write_agnews(tmp_path, content), TextSettings(**PLAIN), message)


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
    with pytest.raises(
        UsageError, match=r"2018_test\.csv, line 8: thread '02' stands already in .*2018_train"
    ):
        Pheme().load(tmp_path, settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("again,0,event,3,true,exact\n", r"line 42: thread '3' stands already in .* line 5; remove one"),
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


def test_a_corpus_of_ones_own_trains(tmp_path: Path) -> None:
    """Two classes told apart by one word: the bundled text workload learns them in a few epochs."""
    (tmp_path / "texts").mkdir()
    for name, rows in (("train", 200), ("valid", 40), ("test", 41)):
        lines = [f"some filler {name}{i} and {('bad', 'good')[i % 2]} words,{i % 2}\n" for i in range(rows)]
        (tmp_path / "texts" / f"{name}.csv").write_text("text,label\n" + "".join(lines))
    workload = workload_named("texts-bigru")
    trial = Trial.make(
        workload.name,
        "dropattack",
        {"targets": "Embedding+Gru.ih.w"},
        TrainingSettings(epochs=8, batch_size=16),
        seed=0,
        checksum=workload.checksum(tmp_path),
        model={"hidden": 16, "embedding_size": 8},
    )
    assert trial.hyperparameters["targets"] == "input+gru.ih.w"
    training = Training(trial, workload.load(tmp_path))
    while not training.finished:
        metrics = training.epoch()
    assert metrics["test_accuracy"] > 0.95
    assert sum(map(sum, training.confusion)) == 41
