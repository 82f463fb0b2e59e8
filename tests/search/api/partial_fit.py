"""Another library's loop: scikit-learn's perceptron, an epoch at a time, on its digits."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

from search import Study, Sweep

SWEEP: dict[str, Any] = {
    "name": "partial-fit",
    "workload": "digits-lenet5",
    "training": {"epochs": 3},
    "seeds": [0, 1],
    "stages": [
        {
            "name": "search",
            "search": {"kind": "optuna", "trials": 5, "seeds": 2, "race": True},
            "scheduler": "asha",
            "methods": {"standard": {}},
            "training": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
        }
    ],
}


def drive(study: Study, tells: int = 10**6) -> list[tuple[str, int]]:
    """Trains what is asked for; the process kills itself instead of telling one more than ``tells``."""
    inputs, labels = load_digits(return_X_y=True)
    told: list[tuple[str, int]] = []
    while (trial := study.ask()) is not None:
        rate = trial.training["learning_rate"]
        model = SGDClassifier(learning_rate="constant", eta0=rate, random_state=trial.seed)
        for epoch in range(1, trial.epochs + 1):
            model.partial_fit(inputs[:1000], labels[:1000], np.arange(10))
            if len(told) == tells:
                os.kill(os.getpid(), signal.SIGKILL)
            told.append((trial.key, epoch))
            accuracy = float(model.score(inputs[1000:], labels[1000:]))
            if not study.tell(trial, epoch=epoch, metrics={"accuracy": accuracy, "loss": 1 - accuracy}):
                break
    return told


if __name__ == "__main__":
    with Study.open(Sweep(**SWEEP), Path(sys.argv[1]), trained_by="perceptron 1") as opened:
        drive(opened, int(sys.argv[2]))
