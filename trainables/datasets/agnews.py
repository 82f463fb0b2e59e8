"""AG News topics (Zhang, Zhao and LeCun, 2015), from the official ``class,title,description`` files."""

from collections.abc import Iterator
from pathlib import Path

from typing_extensions import override

from trainables.data import files
from trainables.data.text import TextSettings
from trainables.datasets.documents import Corpus, Documents
from trainables.datasets.texts import TextDataset

_COLUMNS = ("class", "title", "description")
_LABELS = ("1", "2", "3", "4")
_VALID = 1 / 12


class AgNews(TextDataset):
    """120,000 training texts, of which a twelfth validates (110k/10k), and 7,600 test texts of four topics.

    Title and description are joined by a space; the backslashes that stand for line breaks become spaces.
    """

    name = "agnews"
    published = 127_600
    classes = 4

    @override
    def sources(self, root: Path, settings: TextSettings) -> list[Path]:
        return [files.require(root / "ag_news_csv" / f"{half}.csv", self.name) for half in ("train", "test")]

    @override
    def read(self, root: Path, settings: TextSettings) -> Corpus:
        train_path, test_path = self.sources(root, settings)
        files.refuse_repetition(
            ((files.content_digest(path), str(path)) for path in (train_path, test_path)), "content"
        )
        train, test = (Documents.of(_texts(path)) for path in (train_path, test_path))
        valid, train = train.parted(_VALID)
        return train, valid, test


def _texts(path: Path) -> Iterator[tuple[str, int]]:
    for where, row in files.rows(path, _COLUMNS, header=False):
        text = f"{row['title']} {row['description']}".replace("\\", " ").strip()
        yield text, files.label(row["class"], where, _LABELS)
