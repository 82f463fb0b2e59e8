"""The page of what the sweeps cost is of the sweeps as they are."""

import json
from pathlib import Path

from benchmarks.sweep_costs import MEASURED, page
from search.definition.source import bundled_sweeps
from search.definition.sweepfile import load_sweep
from search.engine.proposers import total_of


def test_every_bundled_sweep_has_its_row_or_is_named() -> None:
    root = Path(__file__).parents[2]
    found = json.loads((root / MEASURED).read_text(encoding="utf-8"))
    shown = (root / "docs/reference/costs.md").read_text(encoding="utf-8")
    table, _, unmeasured = shown.partition("Not measured yet: ")
    for name in bundled_sweeps():
        if name not in found:
            assert f"`{name}`" in unmeasured
            continue
        trials = total_of(load_sweep(name))
        assert found[name][""]["trials"] == trials, f"{name} has changed since it was measured"
        assert f"| `{name}` | {trials:,} |" in table


def test_the_page_is_made_of_what_was_measured() -> None:
    root = Path(__file__).parents[2]
    found = json.loads((root / MEASURED).read_text(encoding="utf-8"))
    shown = (root / "docs/reference/costs.md").read_text(encoding="utf-8")
    made_on = "`python -m benchmarks.sweep_costs` wrote this page on "
    lines = [line for line in shown.splitlines() if not line.startswith(made_on)]
    assert lines == [line for line in page(found).splitlines() if not line.startswith(made_on)]
