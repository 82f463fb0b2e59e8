"""A user's own texts: `ROOT/FOLDER/{train,valid,test}.csv` with the columns ``text,label``."""

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from trainables.data import files
from trainables.data.text import TextSettings
from trainables.datasets.documents import Corpus, Documents
from trainables.datasets.texts import TextDataset


@dataclass(frozen=True)
class CsvTexts(TextDataset):
    """Three CSV files, one for each split; a text of several files stays in one, see `apart`.

    Attributes:
        name: Name of the dataset.
        folder: Folder below the data root that holds the files.
        labels: The values of the column ``label``, in the order of the classes.
        positive: The positive class of binary F1, if there is one.
    """

    name: str = "texts"
    folder: str = "texts"
    labels: tuple[str, ...] = ("0", "1")
    positive: int | None = None

    @property
    @override
    def classes(self) -> int:  # type: ignore[override]  # read-only, as all of a frozen dataset is
        """Number of labels."""
        return len(self.labels)

    @property
    @override
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # read-only, as all of a frozen dataset is
        """See `TextDataset.reads`."""
        return self.labels

    @override
    def sources(self, root: Path, settings: TextSettings) -> list[Path]:
        names = ("train.csv", "valid.csv", "test.csv")
        return [files.require(root / self.folder / name, self.name) for name in names]

    @override
    def read(self, root: Path, settings: TextSettings) -> Corpus:
        sources = self.sources(root, settings)
        files.refuse_repetition(((files.content_digest(path), str(path)) for path in sources), "content")
        train, valid, test = (
            Documents.of(
                (row["text"], files.label(row["label"], where, self.labels))
                for where, row in files.rows(path, ("text", "label"))
            )
            for path in sources
        )
        return train, valid, test
