"""Files as people really have them: what is no example is none, and what is lacking is said."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dropattack import Settings, UsageError
from tests.trainables.datasets.corpora import PLAIN
from tests.trainables.datasets.test_imdb import write_archive, write_imdb
from trainables.adapters.images import ImageFolder
from trainables.adapters.table import Table
from trainables.adapters.texts import OwnTextSettings, Texts
from trainables.data import files, text
from trainables.data.dataset import Dataset
from trainables.datasets import fetch
from trainables.datasets.agnews import AgNews
from trainables.datasets.cifar10 import CIFAR10
from trainables.datasets.csvtext import CsvTexts
from trainables.datasets.idx import FASHION, MNIST
from trainables.datasets.imdb import Imdb, ImdbSettings
from trainables.datasets.pheme import Pheme, PhemeSettings

pytestmark = pytest.mark.usefixtures("empty_cache")
BOM = b"\xef\xbb\xbf"
VECTORS = "the 0.5 -1 2\n. . . 1 2 3\nat name@domain.com 4 5 6\n2 1/2 7 8 9\nof 0 0 1\n"


def _vectors(tmp_path: Path, content: bytes, name: str = "v.txt") -> dict[str, list[float]]:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    listed = ["the", ". . .", "at name@domain.com", "2 1/2", "of"]
    words = {word: number for number, word in enumerate(listed)}
    known, vectors = text.read_vectors(path, words)
    assert text.check_vectors(path) == (len(known), 3)
    return dict(zip((listed[i] for i in known.tolist()), vectors.tolist(), strict=True))


@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz"])
@pytest.mark.parametrize("before", [b"", BOM, b"5 3\n", BOM + b"2000000 3\n"])
@pytest.mark.parametrize("first", range(5))
def test_words_with_spaces_a_header_and_a_bom_lose_no_vector(
    tmp_path: Path, name: str, before: bytes, first: int
) -> None:
    """Whichever line stands first."""
    lines = VECTORS.splitlines(keepends=True)
    content = "".join([*lines[first:], *lines[:first]])
    found = _vectors(tmp_path, before + content.encode(), name)
    assert found == {
        "the": [0.5, -1, 2],
        ". . .": [1, 2, 3],
        "at name@domain.com": [4, 5, 6],
        "2 1/2": [7, 8, 9],
        "of": [0, 0, 1],
    }


def test_lines_of_word2vec_end_in_a_space(tmp_path: Path) -> None:
    assert _vectors(tmp_path, b"1 3\nthe 0.5 -1 2 \n") == {"the": [0.5, -1, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"2 3\nthe 1 2\n", "line 2: 2 numbers for 'the', not 3"),
        (b"the 1 2\nof 1 2 3\n", "line 2: 3 numbers for 'of', not 2"),
        (b"2 3\n", "holds no vectors"),
    ],
)
def test_vectors_of_another_size_are_told_by_their_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        text.check_vectors(tmp_path / "v.txt")


def test_a_part_of_the_published_vectors_is_said(tmp_path: Path) -> None:
    (tmp_path / "glove").mkdir()
    (tmp_path / "glove" / "._glove.6B.50d.txt").write_bytes(b"\0\5\x16\7 no text")
    (tmp_path / "glove" / "glove.6B.50d.txt").write_text("the 1 2\n")
    report = fetch.verify("glove", tmp_path)
    assert not report.complete
    assert report.text == "glove: glove.6B.50d.txt (1 of the 400,000 published vectors of 2 numbers)"
    (tmp_path / "glove" / "glove.6B.50d.txt").rename(tmp_path / "glove" / "own.txt")
    assert fetch.verify("glove", tmp_path).complete


SYSTEMS = ("._3_7.txt", ".DS_Store", "._.DS_Store", ".3_7.txt.swp", "Thumbs.db", "desktop.ini")
COPIES = ("3_7 (1).txt", "3_7 copy.txt", "Copy of 3_7.txt", "3_7-1.txt", "3_7.txt.txt", "notes.txt")


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("archived", [False, True])
def test_what_a_system_leaves_is_no_review(tmp_path: Path, name: str, archived: bool) -> None:
    root = write_imdb(tmp_path)
    plain = Imdb().checksum(root, ImdbSettings(**PLAIN))
    (root / "aclImdb/train/pos" / name).write_bytes(b"Mac OS X \0\xff")
    _maybe_archived(root, archived)
    assert Imdb().checksum(root, ImdbSettings(**PLAIN)) == plain


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("archived", [False, True])
def test_a_copy_of_a_review_is_refused_by_its_name(tmp_path: Path, name: str, archived: bool) -> None:
    root = write_imdb(tmp_path)
    (root / "aclImdb/test/neg" / name).write_text("a great film")
    _maybe_archived(root, archived)
    with pytest.raises(UsageError, match=r"aclImdb/test/neg/.* is none of the published reviews") as caught:
        Imdb().checksum(root, ImdbSettings(**PLAIN))
    assert name in str(caught.value)


def _maybe_archived(root: Path, archived: bool) -> None:
    if archived:
        write_archive(root)
        (root / "aclImdb").rename(root / "elsewhere")


@pytest.mark.parametrize("top", ["./aclImdb", "aclImdb", "././aclImdb"])
def test_archives_made_in_other_ways_are_read(tmp_path: Path, top: str) -> None:
    root = write_imdb(tmp_path)
    plain = Imdb().checksum(root, ImdbSettings(**PLAIN))
    with tarfile.open(root / "aclImdb_v1.tar.gz", "w:gz") as tar:
        for path in sorted((root / "aclImdb").rglob("*.txt")):
            tar.add(path, f"{top}/{path.relative_to(root / 'aclImdb')}")
            beside = tarfile.TarInfo(f"__MACOSX/aclImdb/train/pos/{path.name}")
            tar.addfile(beside, io.BytesIO(b""))
    (root / "aclImdb").rename(root / "elsewhere")
    assert Imdb().checksum(root, ImdbSettings(**PLAIN)) == plain


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    write_imdb(tmp_path / "inside")
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "inside" / "aclImdb", "data/aclImdb")
    with pytest.raises(UsageError, match=r"aclImdb_v1\.tar\.gz holds no reviews aclImdb/train/"):
        Imdb().checksum(tmp_path, ImdbSettings(**PLAIN))


FOLDERS: list[tuple[Dataset, str, Settings]] = [
    (AgNews(), "ag_news_csv/train.csv", AgNews.settings_type(**PLAIN)),
    (Imdb(), "IMDB_Dataset.csv", ImdbSettings(**PLAIN)),
    (Imdb(), "aclImdb_v1.tar.gz", ImdbSettings(**PLAIN)),
    (Imdb(), "aclImdb/train/pos/3_7.txt", ImdbSettings(**PLAIN)),
    (MNIST, "MNIST/raw/train-images-idx3-ubyte.gz", Settings()),
    (FASHION, "FashionMNIST/raw/train-images-idx3-ubyte", Settings()),
    (CIFAR10, "cifar-10-batches-bin/data_batch_1.bin", Settings()),
    (CIFAR10, "cifar-10-python.tar.gz", Settings()),
    (CsvTexts(), "texts/valid.csv", CsvTexts.settings_type(**PLAIN)),
    (Pheme(), "PHEME/pheme9_source_tweets.csv", PhemeSettings(**PLAIN)),
    (Pheme(), "PHEME/2018_train.csv", PhemeSettings(threads="authors", **PLAIN)),
    (Texts("own.csv"), "own.csv", OwnTextSettings()),
    (Table("own.csv", label="y"), "own.csv", Settings()),
    (ImageFolder("own"), "own/a/1.png", Settings()),
]


@pytest.mark.parametrize(("dataset", "file", "settings"), FOLDERS, ids=lambda value: str(value)[:30])
def test_a_folder_where_a_file_should_be_is_one_line(
    tmp_path: Path, dataset: Dataset, file: str, settings: Settings
) -> None:
    (tmp_path / file).mkdir(parents=True)
    for name in ("ag_news_csv/test.csv", "texts/train.csv", "texts/test.csv", "PHEME/2018_val.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"text,label,{name}\n")
    for half, label in (("train", "neg"), ("test", "neg"), ("test", "pos")):
        if "aclImdb/" in file:
            (tmp_path / "aclImdb" / half / label).mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        dataset.checksum(tmp_path, settings)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for read in (files.read, files.content_digest, lambda path: list(files.lines(path))):
        with pytest.raises(UsageError, match="is a folder where a file should be"):
            read(tmp_path)
        with pytest.raises(UsageError, match="cannot be read"):
            read(tmp_path / "none")


def test_a_bom_is_no_part_of_a_column(tmp_path: Path) -> None:
    rows = "".join(f"{word} film {i},{i % 2},{i}\n" for i, word in enumerate("abcdefghijklmnopqrst"))
    table = f"text,y,n\n{rows}".encode()
    found = []
    for before in (b"", BOM):
        (tmp_path / "own.csv").write_bytes(before + table)
        texts = Texts("own.csv", label="y").load(tmp_path, OwnTextSettings())
        numbers = Table("own.csv", label="y", drop=["text"]).load(tmp_path, Settings())
        found.append((texts.train.tokens, numbers.train.inputs))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_what_a_system_leaves_is_no_image(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "own" / name / f"{number}.png")
    plain = ImageFolder("own", 4).checksum(tmp_path, Settings())
    (tmp_path / "own" / "a" / "._1.png").write_bytes(b"\0\5\x16\7")
    for name in ("__MACOSX", ".thumbnails"):
        (tmp_path / "own" / name).mkdir()
        (tmp_path / "own" / name / "1.png").write_bytes(b"\0\5\x16\7")
    assert ImageFolder("own", 4).checksum(tmp_path, Settings()) == plain


def _agnews(root: Path, rows: int) -> AgNews:
    (root / "ag_news_csv").mkdir()
    for half in ("train", "test"):
        lines = (f'"{i % 4 + 1}","{half} title {i}","text {i}"\n' for i in range(rows))
        (root / "ag_news_csv" / f"{half}.csv").write_text("".join(lines))
    return AgNews()


def _imdb(root: Path, rows: int) -> Imdb:
    write_imdb(root, rows)
    return Imdb()


def _pheme(root: Path, rows: int) -> Pheme:
    (root / "PHEME").mkdir()
    lines = (f"{i},{i % 2},tweet {i}\n" for i in range(rows))
    (root / "PHEME" / "pheme9_source_tweets.csv").write_text("tweet_id,label,text\n" + "".join(lines))
    return Pheme()


@pytest.mark.parametrize(("make", "there"), [(_agnews, 120), (_imdb, 40), (_pheme, 60)])
def test_a_part_of_a_dataset_is_said(
    tmp_path: Path, make: Callable[[Path, int], Dataset], there: int
) -> None:
    dataset = make(tmp_path, {_agnews: 60, _imdb: 10, _pheme: 60}[make])
    settings = dataset.settings_type(**PLAIN)
    said = f"{there} of the {dataset.published:,} published examples"
    assert dataset.incomplete(tmp_path, settings) == said
    report = fetch.verify(dataset.name, tmp_path)
    assert said in report.text
    assert not report.complete


def test_what_is_whole_or_a_users_own_lacks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = _agnews(tmp_path, 60)
    monkeypatch.setattr(AgNews, "published", 120)
    assert dataset.incomplete(tmp_path, dataset.settings_type(**PLAIN)) == ""
    assert CsvTexts().incomplete(tmp_path, CsvTexts.settings_type(**PLAIN)) == ""
    assert MNIST.incomplete(tmp_path, Settings()) == ""


TYPES = {"link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}
OUT = ("../victim", "/tmp/victim-of-tests", "a/../../victim", "..\\victim")


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("kind", ["zip", "tar", "link", "hard link", "device"])
def test_an_archive_leaves_its_folder_by_no_way(tmp_path: Path, name: str, kind: str) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "folder"
    folder.mkdir()
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(name, "x")
    else:
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(name if kind in ("tar", "device") else "inside")
            member.type = {
                "link": tarfile.SYMTYPE,
                "hard link": tarfile.LNKTYPE,
                "device": tarfile.CHRTYPE,
            }.get(kind, tarfile.REGTYPE)
            member.linkname = name if "link" in kind else ""
            tar.addfile(member)
    try:
        files.unpack(archive, folder)
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "folder"]
    assert not Path("/tmp/victim-of-tests").exists()
    assert all(path.resolve().is_relative_to(folder) for path in folder.rglob("*"))


def test_an_archive_that_would_fill_the_disk_is_not_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bomb.tar", "w") as tar:
        member = tarfile.TarInfo("zeros")
        member.size = 2**60
        tar.fileobj.write(member.tobuf())  # type: ignore[union-attr]
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=r"bomb\.tar") as caught:
        files.unpack(tmp_path / "bomb.tar", tmp_path / "folder")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "folder").iterdir())


def test_a_member_that_is_larger_than_any_is_not_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz", compresslevel=1) as tar:
        member = tarfile.TarInfo("aclImdb/train/pos/3_7.txt")
        member.size = 2**27 + 1
        tar.addfile(member, _Zeros())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"member aclImdb/train/pos/3_7\.txt has 134,217,729 bytes"):
        Imdb().checksum(tmp_path, ImdbSettings(**PLAIN))


class _Zeros:
    """A file without end."""

    def read(self, size: int) -> bytes:
        return bytes(size)
