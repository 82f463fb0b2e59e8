"""Runs every benchmark of the table of performance in turn, and writes docs/reference/performance.md.

    python -m benchmarks [--only NAME ...]

With ``--only`` the other scripts keep what an earlier run measured: their rows are JSON files beside the
scripts, with remarks on what misses its target. ``--only`` without a name measures nothing and writes the
page from what is there.
"""

import argparse
import ast
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

{met} of {many} targets on the CPU are met. The tables below have every target and what was measured. Behind
them are the reasons for [what misses its target](#what-misses-its-target), [how to read the other
rows](#how-to-read-the-other-rows) and [measurements on a GPU](#on-a-gpu).

`python -m benchmarks` writes this page. It runs every script that the headings name, each in a process of
its own. A number is the median of n measurements, with their range in brackets. What is compared ran in
turns. Times depend on the machine and on its other work, ratios less so.

- Machine: {machine}, {memory:.0f} GiB of memory, no GPU.
- Python {python}, {versions}.

"""
PACKAGES = ("torch", "ray", "optuna", "mlflow-skinny")


def page() -> str:
    """The page, from what the scripts measured last."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    measured = {
        name: [Row(**row) for row in json.loads((ROWS / f"{name}.json").read_text(encoding="utf-8"))]
        for name in SCRIPTS
        if (ROWS / f"{name}.json").exists()
    }
    every = [row for rows in measured.values() for row in rows]
    text = HEADER.format(
        met=sum(row.met for row in every),
        many=len(every),
        machine=hardware(),
        memory=memory,
        python=platform.python_version(),
        versions=", ".join(f"{name} {version(name)}" for name in PACKAGES),
    )
    for name, rows in measured.items():
        text += f"## `python -m benchmarks.{name}`\n\n{_about(name)}\n\n{markdown(rows)}\n\n"
    return text + (REMARKS.read_text(encoding="utf-8") if REMARKS.exists() else "")


def _about(name: str) -> str:
    """What a script measures: its docstring without the command, a paragraph a line."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    paragraphs = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs if not each.startswith("    "))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=list(SCRIPTS), default=list(SCRIPTS))
    options = parser.parse_args()
    ROWS.mkdir(exist_ok=True)
    for name in options.only:
        print(f"benchmarks.{name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *SCRIPTS[name]]
        subprocess.run([*command, "--json", str(ROWS / f"{name}.json")], check=True)
        write()
    write()


def write() -> None:
    """Writes the page."""
    PAGE.write_text(page().rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
