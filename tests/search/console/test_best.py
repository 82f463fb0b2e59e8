"""What to use, as the terminal says it."""

from pathlib import Path

from rich.console import Console

from search.console.best import show_best
from search.results.usable import Usable
from tests.search.simulation import Driver, engine, sweep


def test_where_arms_met_it_says_which_to_use_and_why(tmp_path: Path) -> None:
    definition = sweep(stages=[{"name": "plain", "methods": {"standard": {}}}])
    driver = Driver(engine(tmp_path, definition))
    driver.run()
    verdict = {
        "workload": "digits-lenet5",
        "lines": ["It helps.", "Who met: a and b.", "All arms: a is better than b."],
        "use": {"name": "dropattack fc1.w", "why": "shown to be better than the best of the other side"},
        "contest": {"outcome": "helps"},
    }
    record, stage = driver.engine.records[0], {"methods": {"standard": {}}}
    console = Console(record=True, width=200)
    show_best(console, definition, [Usable(verdict, record, None, stage)])
    lines = console.export_text().splitlines()
    assert lines[2:4] == [
        "It helps.",
        "Use dropattack fc1.w: shown to be better than the best of the other side.",
    ]
    console = Console(record=True, width=200)
    show_best(console, definition, [Usable(verdict | {"contest": None}, record, None, stage)])
    assert "Use " not in console.export_text()
    lines = ["Not tested yet.", "All arms: a leads.", "Next: run it to its end."]
    before = {"lines": lines, "contest": None, "awaited": {"arms": ["a"]}}
    console = Console(record=True, width=200)
    show_best(console, definition, [Usable(verdict | before, record, None, stage)])
    assert console.export_text().splitlines()[:3] == [
        "All arms: a leads.",
        "Not tested yet.",
        "Use dropattack fc1.w: shown to be better than the best of the other side.",
    ]


def test_what_is_left_under_attack_is_said_where_it_was_measured(tmp_path: Path) -> None:
    definition = sweep(stages=[{"name": "plain", "methods": {"standard": {}}}])
    driver = Driver(engine(tmp_path, definition))
    driver.run()
    under_attack = "Under attack: pgd-20 at ε 0.3 leaves plain training 1 %, the most."
    lines = ["Not tested.", "It helps.", "Use it.", "No layers.", under_attack, "Next: attack harder."]
    verdict = {"workload": "digits-lenet5", "lines": lines}
    record, stage = driver.engine.records[0], {"methods": {"standard": {}}}
    console = Console(record=True, width=200)
    show_best(console, definition, [Usable(verdict, record, None, stage)])
    assert console.export_text().splitlines()[:4] == ["Use it.", "It helps.", "Not tested.", under_attack]
    lines.remove(under_attack)
    show_best(console, definition, [Usable(verdict, record, None, stage)])
    assert "Under attack" not in console.export_text()
