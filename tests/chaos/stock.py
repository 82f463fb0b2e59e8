"""The random kills of `test_chaos` on Tune's own restore, OptunaSearch and MLflowLoggerCallback.

    python -m tests.chaos.stock [--sweeps 10]

A search of twelve trials with ASHA, each of three epochs of made-up metrics and a checkpoint each, is
killed twice after a random number of epochs and restored as the documentation shows. Every epoch is noted
in a ledger before anything else learns of it. What is printed for each sweep, as JSON: how often it could
not be restored, epochs of the ledger, those of them that the result does not hold, epochs done again,
MLflow runs beyond one a trial, and runs still RUNNING at the end.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

TRIALS, EPOCHS = 12, 3


def train(config: dict[str, Any]) -> None:
    """Goes on from its checkpoint, and notes each epoch in the ledger before it reports it."""
    from ray import tune

    done = 0
    checkpoint = tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            done = json.loads((Path(folder) / "done.json").read_text())
    for epoch in range(done + 1, EPOCHS + 1):
        time.sleep(0.4)
        line = json.dumps([tune.get_context().get_trial_id(), epoch]) + "\n"
        descriptor = os.open(config["ledger"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "done.json").write_text(json.dumps(epoch))
            quality = epoch - abs(config["epsilon"] - 1)
            tune.report(
                {"epoch": epoch, "quality": quality}, checkpoint=tune.Checkpoint.from_directory(folder)
            )


def drive(folder: Path) -> None:
    """Begins the sweep, or restores it."""
    import mlflow
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    tracking = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(tracking)
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    experiment = folder / "stock"
    if tune.Tuner.can_restore(str(experiment)):
        tuner = tune.Tuner.restore(str(experiment), trainable=train, resume_errored=True)
    else:
        tuner = tune.Tuner(
            train,
            param_space={"epsilon": tune.loguniform(0.01, 10), "ledger": str(folder / "ledger")},
            tune_config=tune.TuneConfig(
                search_alg=OptunaSearch(),
                scheduler=ASHAScheduler(max_t=EPOCHS, reduction_factor=2),
                num_samples=TRIALS,
                metric="quality",
                mode="max",
            ),
            run_config=tune.RunConfig(
                name="stock",
                storage_path=str(folder),
                callbacks=[MLflowLoggerCallback(tracking_uri=tracking, experiment_name="stock")],
                verbose=0,
            ),
        )
    held = []
    for result in tuner.fit():
        frame = result.metrics_dataframe
        if frame is not None and result.metrics is not None:
            held += [[result.metrics["trial_id"], int(epoch)] for epoch in frame["epoch"]]
    (folder / "held.json").write_text(json.dumps(held))


def ledger(folder: Path) -> list[tuple[str, int]]:
    """Every epoch that was done, in order."""
    path = folder / "ledger"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(trial, epoch) for trial, epoch in map(json.loads, lines)]


def disturbed(folder: Path, seed: int) -> dict[str, int]:
    """Kills a sweep twice, lets it end, and counts."""
    command = [sys.executable, "-m", "tests.chaos.stock", "--drive", str(folder)]

    def start() -> "subprocess.Popen[bytes]":
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    draw = random.Random(seed)
    failed = 0
    for kill_after in [draw.randint(1, 15), draw.randint(1, 15), 10**9]:
        before = len(ledger(folder))
        driver = start()
        while driver.poll() is None and len(ledger(folder)) < before + kill_after:
            time.sleep(0.02)
        if driver.poll() is None:
            os.kill(driver.pid, signal.SIGKILL)
        failed += driver.wait() not in (0, -signal.SIGKILL)
    return {"not restored": failed} | counted(folder)


def counted(folder: Path) -> dict[str, int]:
    """What became of the epochs in the ledger."""
    from mlflow import MlflowClient

    done = Counter(ledger(folder))
    path = folder / "held.json"
    held = {tuple(each) for each in json.loads(path.read_text())} if path.exists() else set()
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("stock")
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return {
        "epochs": len(done),
        "lost": len(set(done) - held),
        "done again": sum(count - 1 for count in done.values()),
        "trials": len({trial for trial, _ in done}),
        "MLflow runs": len(runs),
        "still RUNNING": sum(run.info.status == "RUNNING" for run in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=10)
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(options.drive)
        return
    for seed in range(options.sweeps):
        with tempfile.TemporaryDirectory() as name:
            print(json.dumps(disturbed(Path(name), seed)), flush=True)


if __name__ == "__main__":
    main()
