"""Finds which datasets are below a data root, without reading them; `fetch.verify` reads them."""

from collections.abc import Mapping
from pathlib import Path

PLACES: Mapping[str, tuple[str, ...]] = {
    "mnist": ("MNIST/raw/t10k-images-idx3-ubyte*",),
    "fashion": ("FashionMNIST/raw/t10k-images-idx3-ubyte*",),
    "cifar10": ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "cifar-10-batches-*"),
    "imdb": ("aclImdb_v1.tar.gz", "aclImdb/train", "IMDB_Dataset.csv"),
    "agnews": ("ag_news_csv/train.csv",),
    "pheme": ("PHEME/all-rnr-annotated-threads", "PHEME/pheme9_source_tweets.csv", "PHEME/2018_train.csv"),
    "glove": ("glove/[!.]*.txt*",),
}
"""Patterns below the data root for each dataset; one match shows that the dataset is there."""


def datasets_below(root: Path) -> dict[str, bool]:
    """Whether each dataset that can be fetched is there.

    Args:
        root: The data root, which need not exist.
    """
    return {name: any(next(root.glob(each), None) for each in places) for name, places in PLACES.items()}
