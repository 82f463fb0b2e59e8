"""Runs every benchmark of the table of performance in turn, and writes docs/reference/performance.md.

    python -m benchmarks [--only NAME ...]

What an earlier run measured stays where ``--only`` leaves a script out: its rows are kept as JSON beside the
scripts, with the remarks of those who looked into what misses its target.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.rows import Row, hardware, markdown

SCRIPTS = {
    "step_cost": ["--output", "docs/reference/step-cost.md"],
    "standard_step": [],
    "recipe_step": [],
    "sweep_speed": [],
    "driver_cost": [],
    "many_trials": [],
    "time_to_result": [],
    "sparse_search": [],
    "first_use": [],
    "trial_memory": [],
    "report_speed": [],
}
PAGE, ROWS = Path("docs/reference/performance.md"), Path("benchmarks/measured")
REMARKS = ROWS / "remarks.md"
HEADER = """# How fast it is

Written by `python -m benchmarks`, which runs every script that the tables name, each in a process of its own.
Numbers are the median of n measurements, and in brackets their range; what is compared ran in turns. Times
depend on the machine and on what else it does, ratios less so.

- Machine: {machine}, {memory:.0f} GiB of memory, no GPU.
- Python {python}, {versions}.

"""
PACKAGES = ("torch", "ray", "optuna", "mlflow-skinny")


def page() -> str:
    """The page, from what the scripts measured last."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text = HEADER.format(
        machine=hardware(),
        memory=memory,
        python=platform.python_version(),
        versions=", ".join(f"{name} {version(name)}" for name in PACKAGES),
    )
    for name in SCRIPTS:
        path = ROWS / f"{name}.json"
        if path.exists():
            rows = [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
            text += f"## `python -m benchmarks.{name}`\n\n{markdown(rows)}\n\n"
    return text + REMARKS.read_text(encoding="utf-8") if REMARKS.exists() else text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(SCRIPTS), default=list(SCRIPTS))
    options = parser.parse_args()
    ROWS.mkdir(exist_ok=True)
    for name in options.only:
        print(f"benchmarks.{name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *SCRIPTS[name]]
        subprocess.run([*command, "--json", str(ROWS / f"{name}.json")], check=True)
        PAGE.write_text(page().rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
