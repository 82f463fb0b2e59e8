"""The workloads that ship keep the contract that `dropattack.testing` asks of a user's own."""

from pathlib import Path
from typing import Any

import pytest

from dropattack.testing import WorkloadContract


class TestDigits(WorkloadContract):
    workload = "digits-lenet5"


class TestBreastCancer(WorkloadContract):
    workload = "breast-cancer-mlp"


class TestDiabetes(WorkloadContract):
    workload = "diabetes-mlp"


class TestOwnTexts(WorkloadContract):
    """Sixty texts of two words each, all of them in the vocabulary."""

    workload = "texts-bigru"
    settings = {"model": {"hidden": 6, "embedding_size": 5}}  # noqa: RUF012

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "root"
        (root / "texts").mkdir(parents=True)
        for apart, name in enumerate(("train", "valid", "test")):
            rows = "".join(f"word{i} {'word ' * (i % 5)}word{(i + apart) % 60},{i % 2}\n" for i in range(60))
            (root / "texts" / f"{name}.csv").write_text(f"text,label\n{rows}")
        return root


VECTORS = {"vectors": "glove.6B.50d.top60k.txt"}
RECURRENT = {"data": VECTORS, "model": {"hidden": 8}}
REAL: dict[str, tuple[str, dict[str, Any], float]] = {
    "mnist-lenet5": ("MNIST", {}, 0.0),
    "mnist-lenet": ("MNIST", {}, 0.0),
    "fashion-lenet5": ("FashionMNIST", {}, 0.0),
    "fashion-lenet": ("FashionMNIST", {}, 0.0),
    "cifar10-vgg16": ("cifar-10-batches-py", {"model": {"hidden": 16}}, 0.0),
    "cifar10-resnet20": ("cifar-10-batches-py", {"model": {"depth": 8, "width": 4}}, 0.0),
    "cifar10-resnet18": ("cifar-10-batches-py", {}, 0.0),
    "cifar10-conv": ("cifar-10-batches-py", {}, 0.0),
    "imdb-lstm": ("aclImdb_v1.tar.gz", RECURRENT, 0.0005),
    "imdb-textcnn": ("aclImdb_v1.tar.gz", {"data": VECTORS, "model": {"channels": 4}}, 0.0005),
    "imdb-textrcnn": ("aclImdb_v1.tar.gz", RECURRENT, 0.0005),
    "pheme-bilstm": ("PHEME", RECURRENT, 0.002),
    "pheme-bigru": ("PHEME", RECURRENT, 0.002),
    "agnews-bigru": ("ag_news_csv", RECURRENT, 0.0),
}
"""Where the data of the papers' workloads lie, settings that make the tests fast, and the share of texts that
differ by words that are in no vocabulary, and so coincide."""

QUICK = {"mnist-lenet5"}


class OnRealData(WorkloadContract):
    place: str

    @pytest.fixture
    def root(self, data_root: Path) -> Path:
        if not (data_root / self.place).exists():
            pytest.skip(f"no {self.place} in {data_root}")
        return data_root


def suite(name: str) -> type[OnRealData]:
    place, settings, repeated = REAL[name]
    attributes = {"workload": name, "place": place, "settings": settings, "repeated": repeated}
    attributes["pytestmark"] = [] if name in QUICK else [pytest.mark.slow]
    return type(name, (OnRealData,), attributes)


globals().update({f"Test_{name}": suite(name) for name in REAL})
