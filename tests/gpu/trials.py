"""Small trials on synthetic data, which need nothing but torch."""

from functools import cache
from typing import Any

from benchmarks.gpu.tables import images, texts
from trainables.data.dataset import Data
from trainables.trial import Trial
from trainables.workloads import TrainingSettings

IMAGES, TEXTS = "mnist-lenet5", "imdb-lstm"


@cache
def data(workload: str) -> Data:
    """A few examples."""
    return texts(12, 12, vocabulary=50, longest=9) if workload == TEXTS else images(12, 12)


def trial(workload: str, method: str = "standard", hyperparameters: Any = None, **training: Any) -> Trial:
    """A trial of two epochs in three batches each."""
    settings = TrainingSettings(**{"epochs": 2, "batch_size": 4, **training})
    model = {"hidden": 4, "embedding_size": 4, "dropout": 0.0} if workload == TEXTS else {}
    return Trial.make(workload, method, hyperparameters or {}, settings, 0, "checksum", model=model)


def numbers(metrics: dict[str, float]) -> dict[str, float]:
    """What must not depend on the device."""
    return {n: v for n, v in metrics.items() if not n.endswith("seconds") and n not in ("on_gpu", "gpus")}
