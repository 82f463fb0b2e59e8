"""A sweep as the documentation of Ray Tune and MLflow shows it, for comparison; without `search/`.

    python -m benchmarks.stock_sweep FOLDER [--trials 60] [--epochs 10]

A function trainable that loads its data, trains DropAttack on LeNet-5 and reports every epoch;
OptunaSearch, MLflowLoggerCallback on a sqlite database, a checkpoint each epoch, one CPU a trial. Its last
line lists for each trial when each epoch ended and how many seconds of training and validation it took.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
import torch
from mlflow import set_tracking_uri
from optuna.samplers import TPESampler
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search.optuna import OptunaSearch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

TRAIN, VALID = 1297, 250


def digits() -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """The 1,797 digits as 28×28 images, divided at random."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = torch.tensor(raw.images, dtype=torch.float32)[:, None] / 16
    images = F.interpolate(images, size=(28, 28), mode="bilinear", align_corners=False)
    images = (images - images.mean()) / images.std()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor(raw.target)
    parts = order.split([TRAIN, VALID, len(images) - TRAIN - VALID])
    train, valid, test = (TensorDataset(images[part], labels[part]) for part in parts)
    return train, valid, test


def train(config: dict[str, Any]) -> None:
    """One trial."""
    import dropattack
    from trainables.models.lenet5 import LeNet5, LeNet5Architecture

    train_set, valid_set, _ = digits()
    loader = DataLoader(train_set, batch_size=128, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=128)
    torch.manual_seed(0)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    task = dropattack.Task(names=dict(LeNet5Architecture().targets))
    hyperparameters = {name: config[name] for name in ("targets", "epsilon", "p")}
    method = dropattack.create("dropattack", task=task, **hyperparameters)
    for epoch in range(config["epochs"]):
        started = time.perf_counter()
        model.train()
        total = 0.0
        for batch in loader:
            total += method.step(model, tuple(batch), optimizer).loss.item() * len(batch[1])
        model.eval()
        correct, valid_loss = 0, 0.0
        with torch.no_grad():
            for images, labels in valid_loader:
                outputs = model(images)
                valid_loss += F.cross_entropy(outputs, labels, reduction="sum").item()
                correct += int((outputs.argmax(1) == labels).sum())
        metrics = {
            "epoch": epoch + 1,
            "train_loss": total / TRAIN,
            "valid_loss": valid_loss / VALID,
            "valid_accuracy": correct / VALID,
            "seconds": time.perf_counter() - started,
            "ended": time.time(),
        }
        with tempfile.TemporaryDirectory() as folder:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state, Path(folder) / "checkpoint.pt")
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    tracking = f"sqlite:///{options.folder.resolve()}/mlflow.db"
    set_tracking_uri(tracking)
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    space = {
        "targets": "input+conv1.w",
        "epsilon": tune.loguniform(0.01, 10),
        "p": tune.uniform(0.1, 1),
        "epochs": options.epochs,
    }
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(metric="valid_accuracy", mode="max", sampler=TPESampler(seed=0)),
            num_samples=options.trials,
        ),
        run_config=tune.RunConfig(
            name="stock",
            storage_path=str(options.folder.resolve()),
            callbacks=[MLflowLoggerCallback(tracking_uri=tracking, experiment_name="stock")],
            verbose=0,
        ),
    ).fit()
    print("epochs", json.dumps([epochs_of(results[trial]) for trial in range(len(results))]))


def epochs_of(result: tune.Result) -> list[tuple[float, float]]:
    """When each epoch of a trial was reported, as a time stamp, and how many seconds it took."""
    frame = result.metrics_dataframe
    assert frame is not None
    return list(zip(frame["ended"].tolist(), frame["seconds"].tolist(), strict=True))


if __name__ == "__main__":
    main()
