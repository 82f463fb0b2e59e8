"""What a new user waits for: the help text, and the demo.

    python -m benchmarks.first_use [--rounds 7] [--demos 1]

The help text is timed warm, in fresh processes. The demo is the whole command `dropattack run demo` in an
empty folder.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from benchmarks.rows import Row, main, median, spread


def seconds(command: Sequence[str]) -> float:
    """Runs a command of the service in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "search", *command], cwd=folder, check=True, capture_output=True
        )
        return time.perf_counter() - started


def measure(rounds: int, demos: int) -> list[Row]:
    """Times both."""
    seconds(["--help"])
    helps = [seconds(["--help"]) for _ in range(rounds)]
    runs = [seconds(["run", "demo"]) for _ in range(demos)]
    return [
        Row("`dropattack --help`", "≤ 0.5 s", f"{spread(helps)} s", rounds, median(helps) <= 0.5),
        Row("`dropattack run demo`, 46 trials", "≤ 90 s", f"{spread(runs, 0)} s", demos, median(runs) <= 90),
    ]


if __name__ == "__main__":
    main(measure, str(__doc__), rounds=7, demos=1)
