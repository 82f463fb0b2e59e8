"""What the driver spends on each recorded result: journal, ASHA and MLflow, without training and without Ray.

    python -m benchmarks.driver_cost [--small 100] [--large 5000]

Made-up metrics drive a random search with ASHA (nine epochs, rungs at 1, 3 and 9) as fast as it goes, in a
store on disk. The projection to MLflow's sqlite runs in its own thread, as in a sweep. Rows hold the CPU time
of all of it, until MLflow shows everything. Target: at most 10 ms a result at 100 trials and 15 ms at 5,000.
"""

import resource
import statistics
import tempfile
import time
from pathlib import Path

from mlflow import MlflowClient

from benchmarks.rows import Row, main, median, spread
from search.console.status import Status
from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.records.journal import Journal
from search.tracking.projection import Projection


def drive(trials: int, project: bool) -> dict[str, float]:
    """Runs a sweep of that many trials, with or without MLflow; what it cost, in milliseconds and more.

    Making MLflow's database, which a store does once, is left out.
    """
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
        status = Status(sweep, [], engine.total)
        engine.listeners.append(status.update)
        projection = Projection(f"sqlite:///{folder / 'mlflow.db'}", sweep, folder / "artifacts", {})
        if project:
            MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()  # Makes the database.
            engine.listeners.append(projection.show)
            projection.start([], status.line)
        proposing, reporting = [], []
        started = time.process_time()
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
        behind = time.perf_counter()
        if project:
            projection.drain(600)
            projection.close([])
        spent = time.process_time() - started
        return {
            "trials": trials,
            "results": len(reporting),
            "ms_per_result": 1000 * spent / len(reporting),
            "report_ms": 1000 * statistics.median(reporting),
            "propose_ms": 1000 * statistics.median(proposing),
            "mlflow_catches_up_s": time.perf_counter() - behind,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def measure(rounds: int, small: int, large: int) -> list[Row]:
    """Drives sweeps of both sizes in turns, with MLflow; and the large one's rate without."""
    found = [(drive(small, True), drive(large, True), drive(large, False)) for _ in range(rounds)]
    rows = []
    for index, (trials, bound) in enumerate(((small, 10), (large, 15))):
        costs = [each[index]["ms_per_result"] for each in found]
        apart = {name: median([each[index][name] for each in found]) for name in ("report_ms", "propose_ms")}
        remark = f"recording {apart['report_ms']:.1f} ms, proposing a trial {apart['propose_ms']:.1f} ms"
        if trials == large:
            alone = [each[2]["ms_per_result"] for each in found]
            behind = median([each[1]["mlflow_catches_up_s"] for each in found])
            peak = max(each[1]["peak_mb"] for each in found)
            remark += f"; without MLflow {spread(alone, 1)} ms; MLflow {behind:.0f} s behind; {peak:.0f} MB"
        rows.append(
            Row(
                f"driver's cost of a result, {trials:,} trials (CPU)",
                f"≤ {bound} ms",
                f"{spread(costs, 1)} ms",
                rounds,
                median(costs) <= bound,
                remark,
            )
        )
    return rows


if __name__ == "__main__":
    main(measure, str(__doc__), rounds=1, small=100, large=5000)
