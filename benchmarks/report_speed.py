"""How long a report of 10,000 trials takes.

    python -m benchmarks.report_speed [--trials 10000] [--rounds 1]

Records are made up: a grid over seeds, K and target sets, with five epochs each. The page is computed,
drawn and written in a process that has imported everything.
"""

import resource
import tempfile
import time
from pathlib import Path

from analysis.report import write_report
from benchmarks.rows import Row, main, median, spread
from tests.analysis import synthetic


def measure(trials: int, rounds: int) -> list[Row]:
    """Writes the report of that many trials."""
    cells = len(synthetic.trials(seeds=[0], ks=(1, 2, 3)))
    frame = synthetic.trials(seeds=range(-(-trials // cells)), ks=(1, 2, 3)).head(trials)
    records = synthetic.records(frame)
    with tempfile.TemporaryDirectory() as name:
        write_report(synthetic.records(), Path(name))
        walls, processor = [], []
        for _ in range(rounds):
            started, computed = time.perf_counter(), time.process_time()
            write_report(records, Path(name))
            walls.append(time.perf_counter() - started)
            processor.append(time.process_time() - computed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Row(
            f"report of {trials:,} trials",
            "≤ 10 s",
            f"{spread(walls, 1)} s",
            rounds,
            median(walls) <= 10,
            f"{median(processor):.1f} s of CPU time, at most {peak:.0f} MB",
        )
    ]


if __name__ == "__main__":
    main(measure, str(__doc__), trials=10_000, rounds=3)
