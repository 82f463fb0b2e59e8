"""What the tests of text datasets share."""

from pathlib import Path

import pytest

from dropattack import UsageError
from trainables.data import text
from trainables.data.dataset import Data
from trainables.data.text import TextSettings
from trainables.datasets.texts import TextDataset
from trainables.disk import cache_root

PLAIN = {"vectors": ""}
"""Settings of a corpus without word vectors."""


def words(data: Data) -> list[str]:
    """The vocabulary."""
    return text.words(data.extras)


def refused(dataset: TextDataset, root: Path, settings: TextSettings, message: str) -> None:
    """Loading fails with one line, and leaves no entry in the cache."""
    for act in (dataset.checksum, dataset.load):
        with pytest.raises(UsageError, match=message) as caught:
            act(root, settings)
        assert "\n" not in str(caught.value)
    assert not list(cache_root().glob("*.pt"))
