"""How many examples each trial trained on: a full split counts as its size."""

import numpy as np
import pandas as pd

from analysis.records.identity import SIZE
from analysis.records.tables import Records

FULL = {
    "digits-lenet5": 1_197,
    "mnist-lenet5": 50_000,
    "fashion-lenet5": 50_000,
    "mnist-lenet": 50_000,
    "fashion-lenet": 50_000,
    "cifar10-vgg16": 40_000,
    "cifar10-conv": 40_000,
    "cifar10-resnet18": 40_000,
    "cifar10-resnet20": 40_000,
    "imdb-lstm": 40_000,
    "imdb-textcnn": 40_000,
    "imdb-textrcnn": 40_000,
    "pheme-bilstm": 5_145,
    "pheme-bigru": 5_145,
    "agnews-bigru": 110_000,
}
"""Training examples of complete datasets in the papers' split, for records that do not count them."""


def train_sizes(records: Records) -> pd.Series:
    """Training examples of every row of `Records.trials`; NaN where that is not known.

    ``training.train_size`` where it asks for a part; for a full split what the trial counted,
    ``train_examples``, or else `FULL`, unless the workload's data are a part of what was published or are
    split in another way.
    """
    trials = records.trials
    if SIZE not in trials:
        asked = pd.Series(0.0, index=trials.index)
    else:
        asked = trials[SIZE].astype(float).fillna(0.0)
    parts = {name for name in FULL for line in records.incomplete if line.startswith(f"{name} ")}
    known = trials["workload"].map({name: n for name, n in FULL.items() if name not in parts}).astype(float)
    if "data.split" in trials:
        known = known.where(trials["data.split"].fillna("paper") == "paper")
    counted = trials.get("train_examples", pd.Series(np.nan, index=trials.index))
    return asked.where(asked > 0, counted.fillna(known)).rename("size")


def asked_sizes(trials: pd.DataFrame) -> pd.Series:
    """How many training examples each trial asked for; infinity for all of its split."""
    if SIZE not in trials:
        return pd.Series(np.inf, index=trials.index)
    asked = trials[SIZE].astype(float)
    return asked.where(asked > 0, np.inf)
