"""A user's own table in a CSV or parquet file: numbers, categories, missing values."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from typing_extensions import override

from dropattack import Settings, UsageError
from dropattack.errors import first_line, unknown
from trainables.adapters.arrays import data_of
from trainables.adapters.dealing import SPLITS, TRAIN, Labels, by_name, dealt, labels_of, repetitions
from trainables.data import files
from trainables.data.cache import Encoded, cached
from trainables.data.dataset import Data, Dataset
from trainables.data.groups import Groups
from trainables.digest import digest

if TYPE_CHECKING:
    import pandas as pd

_VERSION = 1
_MOSTLY = 0.9
"""Share of a column's words that must be numbers or dates to make it a column of these."""
_MOST = 100
"""Largest number of categories; a column with more looks like names or numbers of rows."""


class Table(Dataset):
    r"""A CSV or parquet file with a row for each example.

    Columns of numbers are scaled to mean 0 and variance 1 over the training rows; the training rows' median
    replaces a missing number. Each category of the other columns, and a missing value, becomes a column of 1
    or 0; a category that no training row has is all zeros.

    Args:
        path: The file, below the data root unless it is absolute.
        label: Column to predict.
        drop: Columns to leave out, such as a row's number.
        split: Column that names each row's split: train, valid or test. Without it rows are dealt.
        groups: Column that names each row's group, such as a patient, of which trials may leave one out; no
            input.
        valid: Share of the rows to validate on, where they are dealt.
        test: Share to test on.
        regression: See `Tensors`.
        positive: Label of the positive class, for binary F1.
        name: See `Dataset`; by default the file's own name.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> rows = [f"{i},{'ab'[i % 2]},{'yes' if i % 3 else 'no'}" for i in range(30)]
        >>> _ = (folder / "t.csv").write_text("\n".join(["age,kind,churned", *rows]))
        >>> data = Table("t.csv", label="churned").load(folder, Settings())
        >>> data.extras["columns"], data.extras["labels"]
        (['age', 'kind=a', 'kind=b'], ['no', 'yes'])
    """

    def __init__(
        self,
        path: str | Path,
        label: str,
        *,
        drop: Sequence[str] = (),
        split: str = "",
        groups: str = "",
        valid: float = 0.2,
        test: float = 0.2,
        regression: bool | None = None,
        positive: Any = None,
        name: str = "",
    ) -> None:
        self.name = name or Path(path).stem
        self._path, self._label, self._drop, self._split = Path(path), label, tuple(drop), split
        self._groups, self.grouped = groups, bool(groups)
        self._shares, self._regression, self._says = (valid, test), regression, positive
        self.positive = None if positive is None else 0  # which one is known with the labels; see `load`

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        content = self._content(root)
        options = [self._label, list(self._drop), self._split, self._shares, self._regression]
        options += [self._groups] if self._groups else []
        return digest(self.name, _VERSION, content, options, None if self._says is None else str(self._says))

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        checksum = self.checksum(root, settings)
        entry = cached(self.name, checksum, lambda: self._encoded(root))
        labels = Labels(entry["labels"], tuple(entry["names"]))
        splits = {split: entry[split] for split in SPLITS}
        data = data_of(
            entry["inputs"],
            labels,
            splits,
            checksum,
            positive=self._positive(labels),
            columns=entry["columns"],
            encoding=entry["encoding"],
        )
        data = replace(data, facts=entry.get("facts", {}))
        if not self._groups:
            return data
        parts = ([entry["groups"][i] for i in splits[split].tolist()] for split in SPLITS)
        return replace(data, groups=Groups.of(*parts))

    def _grouped(self, table: "pd.DataFrame") -> list[str]:
        """The group of each row."""
        groups = [_word(value) for value in table[self._groups]]
        if "" in groups:
            row = groups.index("") + 1
            raise UsageError(f"{self._path.name}: row {row} has no group in {self._groups!r}; leave it out")
        return groups

    def _positive(self, labels: Labels) -> int | None:
        if self._says is None:
            return None
        if self._says not in labels.names:
            raise unknown(f"label of {self.name}", str(self._says), map(str, labels.names))
        return labels.names.index(self._says)

    def _content(self, root: Path) -> str:
        """Digest of the table's content."""
        return files.content_digest(self._file(root))

    def _rows(self, root: Path) -> "pd.DataFrame":
        """The table, with at least one row."""
        return _read(self._file(root), self._label)

    def _file(self, root: Path) -> Path:
        path = root / self._path
        if not path.is_file():
            raise UsageError(f"{path} is missing; put the table there, or name its place with --data DIR")
        return path

    def _encoded(self, root: Path) -> Encoded:
        table, where = self._rows(root), self._path.name
        others = [self._label, *self._drop, *filter(None, (self._split, self._groups))]
        for column in others:
            if column not in table:
                raise _no_column(where, column, list(map(str, table)))
        labels = labels_of(table[self._label].to_numpy(), self._regression, f"{where}, {self._label}")
        splits = (
            by_name(table[self._split].tolist(), labels, *self._shares, f"{where}, {self._split}")
            if self._split
            else dealt(labels, *self._shares, where)
        )
        inputs, columns, encoding = _encode(table.drop(columns=others), splits[TRAIN].numpy(), where)
        return {
            "inputs": inputs,
            "facts": repetitions(inputs, splits),
            "labels": labels.values,
            "names": list(labels.names),
            "columns": columns,
            "encoding": encoding,
            "groups": self._grouped(table) if self._groups else [],
            **splits,
        }


def _read(path: Path, label: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        if path.suffix in (".parquet", ".pq"):
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path)
            if label in table:  # whose words "None" and "n/a" are words
                said = pd.read_csv(path, usecols=[label], dtype=str, keep_default_na=False)
                table[label] = _numbers_or_words(said[label])
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except Exception as error:  # pandas and pyarrow fail in ways of their own
        raise UsageError(f"{path} cannot be read as a table ({first_line(error)})") from error
    if not len(table):
        raise UsageError(f"{path} has no rows")
    return table


def _no_column(where: str, column: str, columns: Sequence[str]) -> UsageError:
    """The error for a missing column; it also detects other separators than commas."""
    if len(columns) == 1 and (sign := files.other_separator(columns[0])):
        return UsageError(f"{where} separates its columns by {sign}; save it with commas")
    return unknown(f"column of {where}", column, columns)


def _encode(table: "pd.DataFrame", train: Any, name: str) -> tuple[torch.Tensor, list[str], dict[str, Any]]:
    """Inputs ``[n, columns]``, the names of their columns, and the values that encoded them."""
    from pandas.api.types import is_numeric_dtype
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if not len(table.columns):
        raise UsageError(f"{name} has no column beside the label; a model needs at least one")
    table = table.rename(columns=str)
    names = list(map(str, table.columns))
    numbers = [column for column in names if is_numeric_dtype(table[column])]
    words = [column for column in names if column not in numbers]
    if unfit := [why for column in words if (why := _unfit(column, table[column]))]:
        raise UsageError(
            f"{name}: {'; '.join(unfit)}; clean the column, leave it out (drop=[…]), or encode it yourself "
            "and use Tensors"
        )
    plain = table.assign(**{column: table[column].astype(float) for column in numbers})
    plain = plain.assign(**{column: table[column].astype(object).map(_word) for column in words})
    for column in numbers:
        if np.isinf(plain[column]).any():
            raise UsageError(f"{name}: column {column!r} holds an infinite number")
    filling, scaling = SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    kinds_of = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoder = make_column_transformer((make_pipeline(filling, scaling), numbers), (kinds_of, words))
    encoder.fit(plain.iloc[train])
    columns = list(numbers)
    encoding: dict[str, Any] = {}
    if numbers:
        scaled = encoder.transformers_[0][1]
        fitted = zip(numbers, scaled[0].statistics_, scaled[1].mean_, scaled[1].scale_, strict=True)
        encoding |= {n: {"missing": float(m), "mean": float(a), "scale": float(s)} for n, m, a, s in fitted}
    if words:
        for column, kinds in zip(words, encoder.transformers_[-1][1].categories_, strict=True):
            columns += [f"{column}={kind}" for kind in kinds]
            encoding[column] = {"categories": list(map(str, kinds))}
    return torch.from_numpy(np.asarray(encoder.transform(plain))).float(), columns, encoding


def _numbers_or_words(labels: "pd.Series[str]") -> "pd.Series[Any]":
    """Labels of a CSV file, as numbers if all are numbers; an empty one is missing."""
    import pandas as pd

    stated = labels.where(labels.str.strip() != "", None)
    numbers = pd.to_numeric(stated, errors="coerce")
    return numbers if (numbers.notna() | stated.isna()).all() else stated


def _word(value: Any) -> str:
    """The name of a category; empty for a missing value."""
    import pandas as pd

    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _unfit(column: str, values: "pd.Series[Any]") -> str:
    """Why a column of words holds no categories; empty if it does."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return f"{column!r} holds times"
    stated = values.dropna()
    if not stated.map(pd.api.types.is_scalar).all():
        return f"{column!r} holds lists"
    words = stated.astype(str).str.strip()
    numbers = pd.to_numeric(words, errors="coerce").notna()
    if len(words) and numbers.mean() >= _MOSTLY:
        odd = words[~numbers]
        but = f" but for {odd.iloc[0]!r}" if len(odd) else ""
        return f"{column!r} holds numbers{but}, and not as numbers"
    if len(words) and words.str.match(r"\d{4}-\d\d-\d\d").mean() >= _MOSTLY:
        return f"{column!r} holds dates"
    if (kinds := words.nunique()) > _MOST:
        return f"{column!r} has {kinds} different words"
    return ""
