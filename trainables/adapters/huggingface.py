"""Data sets of Hugging Face, by folder or name. Needs the extra ``datasets``."""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from dropattack import UsageError
from dropattack.errors import first_line, unknown
from trainables import vision
from trainables.adapters.hub import kept_off, why_unreached
from trainables.adapters.images import ImageFolder, Pictures, Source
from trainables.adapters.table import Table
from trainables.adapters.texts import Texts
from trainables.data import files

if TYPE_CHECKING:
    import pandas as pd

_SPLIT = "split of the source"
_KNOWN = ("train", "validation", "valid", "val", "dev", "test")
_NAMED = re.compile(rf"({'|'.join(_KNOWN)})($|[-_.\d])", re.IGNORECASE)
_UNLABELLED = -1
"""The class label in a published test split that hides its labels."""


class HuggingFace:
    """A source of examples; `texts`, `images` and `table` make data sets of it.

    Its own splits stay. A missing validation or test split is dealt from training. Splits of other names than
    train, valid, validation, val, dev and test are left out.

    Args:
        source: A folder that ``save_to_disk`` wrote, or a folder of parquet files whose names or folders
            begin with their split; below the data root unless it is absolute. Otherwise a name at Hugging
            Face, which is fetched once a machine.
        configuration: The configuration, of a name that has several.

    Examples:
        >>> HuggingFace("stanfordnlp/imdb").texts().name
        'imdb'
    """

    def __init__(self, source: str | Path, configuration: str = "") -> None:
        self._source, self._configuration = str(source), configuration
        self._loaded: dict[Path, Mapping[str, Any]] = {}

    @cached_property
    def name(self) -> str:
        """Name of the data, for messages and the cache."""
        return Path(self._source).name

    def texts(self, text: str = "text", label: str = "label", **options: Any) -> Texts:
        """Its texts, also for `Tokenized`; ``options`` are those of `Texts`."""
        return _HubTexts(self, text, label, options)

    def images(
        self, image: str = "image", label: str = "label", size: int = 64, **options: Any
    ) -> ImageFolder:
        """Its images; ``options`` are those of `ImageFolder`."""
        return _HubImages(self, image, label, size, options)

    def table(self, label: str, **options: Any) -> Table:
        """Its columns of numbers and categories; ``options`` are those of `Table`."""
        return _HubTable(self, label, options)

    def splits(self, root: Path) -> Mapping[str, Any]:
        """The library's own object of each split with a known name.

        Raises:
            UsageError: There is no such folder or name, or it cannot be read.
        """
        if root not in self._loaded:
            self._loaded[root] = self._load(root)
        return self._loaded[root]

    def files(self, root: Path) -> list[Path]:
        """The files that hold the examples."""
        folder = root / self._source
        if folder.is_dir():
            return [path for path in sorted(folder.rglob("*")) if path.suffix in (".arrow", ".parquet")]
        held = [file["filename"] for split in self.splits(root).values() for file in split.cache_files]
        return sorted(map(Path, held))

    def content(self, root: Path) -> str:
        """Digest of the examples and of the types of their columns."""
        found = hashlib.sha256()
        for name, split in self.splits(root).items():
            found.update(f"{name} {len(split)} {split.features}\n".encode())
        for path in self.files(root):
            found.update(f"{path.name} {files.content_digest(path)}\n".encode())
        return found.hexdigest()

    def frame(self, root: Path, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Columns of all splits, classes by their names, and the split of each row."""
        import pandas as pd

        parts = []
        for name, split in self.splits(root).items():
            for column in columns or ():
                if column not in split.column_names:
                    raise unknown(f"column of {self.name}", column, split.column_names)
            part = (split.select_columns(list(columns)) if columns else split).to_pandas()
            for column, kind in split.features.items():
                if column in part and hasattr(kind, "int2str"):
                    part[column] = [_said(kind, value, f"{self.name}, {name}") for value in part[column]]
            parts.append(part.assign(**{_SPLIT: name}))
        whole: pd.DataFrame = pd.concat(parts, ignore_index=True)
        return whole

    def _load(self, root: Path) -> Mapping[str, Any]:
        library: Any = vision.datasets()
        folder = root / self._source
        unreached = "" if folder.is_dir() else why_unreached(self._source)
        try:
            if folder.is_dir():
                found = _of_folder(library, folder)
            else:
                with kept_off(library) if unreached else nullcontext():
                    found = library.load_dataset(self._source, self._configuration or None)
        except UsageError:
            raise
        except Exception as error:  # the library's own, and those of what it connects with
            if folder.is_dir():
                raise UsageError(f"{folder} cannot be read as a data set ({first_line(error)})") from error
            if unreached:
                raise UsageError(
                    f"there is no folder {folder}, and Hugging Face cannot be reached for {self._source!r} "
                    f"({unreached}); name a folder, or fetch it once where there is a network"
                ) from error
            raise UsageError(
                f"there is no folder {folder}, and Hugging Face does not offer {self._source!r} "
                f"({first_line(error)})"
            ) from error
        whole = dict(found) if isinstance(found, dict) else {"train": found}
        known = {name: split for name, split in whole.items() if name in _KNOWN}
        if "train" not in known:
            raise UsageError(f"{self.name} has no split train; it has {', '.join(map(str, whole))}")
        return known


def _of_folder(library: Any, folder: Path) -> Any:
    """What a folder holds: as the library saved it, or parquet files by split."""
    paths = sorted(folder.rglob("*.parquet"))
    if not paths:
        if not any(folder.rglob("*.arrow")):
            raise UsageError(f"{folder} holds neither parquet files nor what save_to_disk writes")
        return library.load_from_disk(str(folder))
    import pyarrow as pa
    import pyarrow.parquet as pq

    by_split: dict[str, list[Any]] = {}
    for path in paths:
        parts = path.relative_to(folder).parts
        named = next((match[1].lower() for part in reversed(parts) if (match := _NAMED.match(part))), "train")
        by_split.setdefault(named, []).append(pq.read_table(path, partitioning=None))
    return {name: library.Dataset(pa.concat_tables(tables)) for name, tables in by_split.items()}


def _said(kind: Any, value: Any, where: str) -> str:
    if value is None or value == _UNLABELLED:
        raise UsageError(f"{where} has an example without a label; leave it out, or the split")
    name: str = kind.int2str(int(value))
    return name


class _HubTexts(Texts):
    def __init__(self, source: HuggingFace, text: str, label: str, options: Mapping[str, Any]) -> None:
        named = {"name": source.name, "split": _SPLIT, **options}
        super().__init__(source.name, text=text, label=label, **named)
        self._of = source

    @override
    def sources(self, root: Path, settings: Any) -> list[Path]:
        return self._of.files(root)

    @override
    def _rows(self, root: Path) -> list[dict[str, str]]:
        columns = [column for column in (self._text, self._label, self._groups) if column]
        own = [self._split] if self._split not in ("", _SPLIT) else []
        table = self._of.frame(root, [*columns, *own])
        words = table.astype(object).where(table.notna(), "").astype(str)
        return [dict(zip(words.columns, row, strict=True)) for row in words.itertuples(index=False)]


class _HubTable(Table):
    def __init__(self, source: HuggingFace, label: str, options: Mapping[str, Any]) -> None:
        super().__init__(source.name, label, **{"name": source.name, "split": _SPLIT, **options})
        self._of = source

    @override
    def _content(self, root: Path) -> str:
        return self._of.content(root)

    @override
    def _rows(self, root: Path) -> "pd.DataFrame":
        table = self._of.frame(root)
        return table if self._split == _SPLIT else table.drop(columns=_SPLIT)


class _HubImages(ImageFolder):
    def __init__(
        self, source: HuggingFace, image: str, label: str, size: int, options: Mapping[str, Any]
    ) -> None:
        super().__init__(source.name, size, **{"name": source.name, **options})
        self._of, self._image, self._label = source, image, label

    @override
    def _content(self, root: Path) -> str:
        return f"{self._of.content(root)} {self._image} {self._label}"

    @override
    def _pictures(self, root: Path) -> Pictures:
        table = self._of.frame(root, [self._label])
        labels, splits = table[self._label].astype(str).tolist(), table[_SPLIT].tolist()
        return Pictures(self._of.name, labels, splits, self._sources(root))

    def _sources(self, root: Path) -> Iterator[Source]:
        for name, split in self._of.splits(root).items():
            if self._image not in split.column_names:
                raise unknown(f"column of {self._of.name}", self._image, split.column_names)
            stored = split.cast_column(self._image, vision.datasets().Image(decode=False))
            for number, example in enumerate(stored.select_columns([self._image]), 1):
                held = example[self._image]
                content = held["bytes"] if held["bytes"] is not None else Path(held["path"]).read_bytes()
                yield f"{self._of.name}, {name}, image {number}", io.BytesIO(content)
