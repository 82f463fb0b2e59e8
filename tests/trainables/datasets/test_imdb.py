"""IMDb on reviews written here: tree, archive and table, splits, cache and errors."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.trainables.datasets.corpora import PLAIN, refused, words
from trainables.datasets.imdb import Imdb, ImdbSettings

pytestmark = pytest.mark.usefixtures("empty_cache")


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
        (duplicate, r"aclImdb_v1\.tar\.gz: member aclImdb/train/pos/1_7\.txt is there twice"),
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
