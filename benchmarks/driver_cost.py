"""What the driver spends on each recorded result: journal, ASHA and MLflow, without training and without Ray.

    python -m benchmarks.driver_cost [--trials 100 1000 5000]

A random search with ASHA (nine epochs, rungs at 1, 3 and 9) is driven by made-up metrics as fast as it goes,
in a store on disk; the projection to MLflow's sqlite runs in its own thread, as in a sweep. Target: at most
10 ms a result at 100 trials and 15 ms at 5,000.
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

from search.engine import Engine
from search.journal import Journal
from search.status import Status
from search.sweepfile import parse_sweep
from search.tracking import Projection


def measure(trials: int, project: bool) -> dict[str, float]:
    sweep = parse_sweep(
        {
            "name": "driver-cost",
            "workload": "digits-lenet5",
            "training": {"epochs": 9},
            "stages": [
                {
                    "name": "search",
                    "search": {"kind": "random", "trials": trials},
                    "scheduler": "asha",
                    "methods": {"dropattack": {"epsilon": {"low": 0.01, "high": 10, "log": True}}},
                }
            ],
        }
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = Engine(sweep, Journal(folder / "journal.log", sweep.select), lambda workload, options: "")
        status = Status(sweep, [])
        engine.listeners.append(status.update)
        projection = Projection(f"sqlite:///{folder / 'mlflow.db'}", sweep, folder / "artifacts")
        if project:
            engine.listeners.append(projection.show)
            projection.start([], status.line)
        proposing, reporting = [], []
        started = time.perf_counter()
        while not engine.done:
            begun = time.perf_counter()
            record = engine.next()
            proposing.append(time.perf_counter() - begun)
            if record is None:
                continue
            epoch, goes_on = 0, True
            while goes_on:
                epoch += 1
                quality = hash((record.key, epoch)) % 1000 / 1000 + epoch
                begun = time.perf_counter()
                metrics = {"epoch": epoch, "valid_accuracy": quality, "train_loss": 1 / epoch, "seconds": 1.0}
                goes_on = engine.report(record.key, metrics)
                reporting.append(time.perf_counter() - begun)
        wall = time.perf_counter() - started
        behind = time.perf_counter()
        if project:
            projection.drain(600)
            projection.close([])
        return {
            "trials": trials,
            "results": len(reporting),
            "ms_per_result": 1000 * wall / len(reporting),
            "report_ms": 1000 * statistics.median(reporting),
            "propose_ms": 1000 * statistics.median(proposing),
            "mlflow_catches_up_s": time.perf_counter() - behind,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--without-mlflow", action="store_true")
    options = parser.parse_args()
    rows = [measure(trials, not options.without_mlflow) for trials in options.trials]
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(f"{value:.4g}" for value in row.values()))


if __name__ == "__main__":
    main()
