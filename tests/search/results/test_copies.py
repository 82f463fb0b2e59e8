"""A grid whose settings often compute the same: console, report and confirmation count each training once."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from statsmodels.stats.multitest import multipletests

from analysis.questions import controls, sensitivity
from analysis.questions.selection import configurations, optimism
from analysis.records import CONFIGURATION, CONTROL, Metric, Records
from analysis.report import FORMATS, write_report
from analysis.sections.overview import section as overview
from analysis.sections.sensitivity import section as sensitivity_section
from search.console.presentation import show_outcome
from search.console.status import Status
from search.definition.sweep import Sweep
from search.records.record import Record
from search.results.best import best_by_workload
from search.results.frames import records_for_analysis
from search.results.outcome import Outcome
from search.tracking.shown import ShownRuns
from tests.search.simulation import Driver, engine, sweep

CONTROLS = ["none", "eps-zero", "p-one", "random-direction", "equal-passes"]
GRID: dict[str, Any] = {
    "name": "grid",
    "methods": {
        "standard": {},
        "dropattack": {"epsilon": [0.1, 1, 5], "p": [0, 0.5, 1], "control": CONTROLS},
    },
}
TESTED = GRID | {"name": "tested", "training": {"robustness": "fgsm:0.1"}}
CONFIRM = {"name": "confirm", "search": {"kind": "confirm", "top": 2, "seeds": [7, 8]}}
SAME = "56 of them share the training of another"


def run(folder: Path, *stages: dict[str, Any], **changes: Any) -> tuple[Sweep, list[Record]]:
    definition = sweep(stages=list(stages), **changes)
    driver = Driver(engine(folder, definition), slots=3)
    driver.run()
    return definition, list(driver.engine.records)


def tables(definition: Sweep, records: list[Record]) -> Records:
    return records_for_analysis(definition, records, ShownRuns(), {})


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, list[Record]]:
    return run(tmp_path_factory.mktemp("once"), GRID)


def test_rows_are_names_and_keys_are_trainings(once: tuple[Sweep, list[Record]]) -> None:
    """Of a seed: standard; 3 ε × 2 p; 1 eps-zero; 3 of p-one at p = 0.5; 6 random; 1 equal-passes."""
    trials = tables(*once).trials
    assert (len(trials), trials["key"].nunique(), trials[CONFIGURATION].nunique()) == (92, 36, 18)
    names = trials.groupby(CONTROL)[CONFIGURATION].agg(["size", "nunique"])
    assert names.to_dict("index") == {
        "": {"size": 14, "nunique": 7},
        "p-zero": {"size": 30, "nunique": 1},
        "eps-zero": {"size": 12, "nunique": 1},
        "p-one": {"size": 12, "nunique": 6},
        "random-direction": {"size": 12, "nunique": 6},
        "equal-passes": {"size": 12, "nunique": 1},
    }


def test_families_of_tests_hold_each_training_once(tmp_path: Path) -> None:
    """With three seeds, as fewer have no tests."""
    records = tables(*run(tmp_path, GRID, seeds=[0, 1, 2]))
    cells = sensitivity.epsilon_p_cells(records, records.selected)
    assert len(cells) == 9
    tested = cells[cells["p_value"].notna()]
    assert set(tested["p"]) == {0.5, 1.0}
    expected = multipletests(tested["p_value"], method="holm")[1]
    assert tested["p_holm"].tolist() == pytest.approx(list(expected))
    table = controls.compare_methods(controls.scored_methods(records, records.reported)).set_index("family")
    assert len(table) == 7
    tested = table[table["p_value"].notna()]
    assert tested["p_holm"].tolist() == pytest.approx(
        list(multipletests(tested["p_value"], method="holm")[1])
    )
    assert len(tested) == 5, "all but the baseline under its two names"
    assert table.loc[["standard", "dropattack, p-zero"], "is_baseline"].all()
    assert optimism(records)["candidates"].tolist() == [6]
    assert len(configurations(records)) == 7


def test_the_report_is_written_and_says_how_many_trainings_there_are(
    once: tuple[Sweep, list[Record]], tmp_path: Path
) -> None:
    records = tables(*once)
    page = write_report(records, tmp_path, FORMATS).read_text(encoding="utf-8")
    assert f"92 trials, {SAME}: 92 complete." in page
    (table,) = overview(records).parts
    assert table.frame["hours"].sum() == pytest.approx(36 * 9 * 0.5 / 3600)


def test_the_console_counts_them_too(once: tuple[Sweep, list[Record]]) -> None:
    definition, records = once
    status = Status(definition, records, len(records))
    assert (status.finished, status.copies) == (92, 56)
    assert status.line().startswith(f"92/92 · 92 complete · {SAME} · validation accuracy: ")
    assert status.to_dict()["copies"] == 56
    text = io.StringIO()
    outcome = Outcome(records, True, "", Path("report"), 3.0, "", 1)
    show_outcome(Console(file=text, width=300), definition, outcome, Path("runs"), "", "dropattack run x")
    assert text.getvalue().startswith(f"92 trials, {SAME}: 92 complete · 3 s\n")


def test_what_another_sweep_trained_is_said_to_be_reused(
    once: tuple[Sweep, list[Record]], tmp_path: Path
) -> None:
    definition, records = once
    elsewhere = {records[0].key: ("other", records[0])}
    driver = Driver(engine(tmp_path, definition, elsewhere=elsewhere))
    driver.run()
    text = io.StringIO()
    outcome = Outcome(driver.engine.records, True, "", Path("report"), 3.0, "", 1)
    show_outcome(Console(file=text, width=300), definition, outcome, Path("runs"), "", "dropattack run x")
    told = f"92 trials, {SAME}: 92 complete, 1 of them reused from other sweeps"
    assert text.getvalue().startswith(told)
    assert overview(tables(definition, list(driver.engine.records))).findings == [f"{told}."]


@pytest.mark.parametrize("stages", [[GRID], [GRID, TESTED], [TESTED, GRID]])
def test_console_and_report_choose_alike(stages: list[dict[str, Any]], tmp_path: Path) -> None:
    """A test under attack makes another key of a training, and no other configuration."""
    definition, records = run(tmp_path, *stages)
    found = best_by_workload(definition, records)["digits-lenet5"]
    table = configurations(tables(definition, records))
    first = table.iloc[0]
    assert first[CONFIGURATION] == found.record.identity.configuration
    assert first["valid"] == pytest.approx(found.mean, abs=1e-12)
    assert (first["n"], found.seeds) == (2, 2)
    assert len(table) == 7
    assert first["method"] == found.record.trial.method
    maps = sensitivity_section(tables(definition, records))
    assert maps is not None
    assert maps.findings[0].startswith("6 of 6 ε×p combinations ran, each with at most 2 seeds"), (
        "of all maps"
    )
    if first["method"] == "dropattack":
        values = found.record.trial.hyperparameters
        assert first[["epsilon", "p"]].tolist() == [values["epsilon"], values["p"]]


@pytest.mark.parametrize("stages", [[GRID], [GRID, TESTED]])
def test_a_confirmation_takes_the_best_of_the_report(stages: list[dict[str, Any]], tmp_path: Path) -> None:
    """Also where the best is what p-one asks for at p = 1."""
    definition, records = run(tmp_path, *stages, CONFIRM)
    searched = [record for record in records if record.stage != "confirm"]
    table = configurations(tables(definition, searched))
    best = table.loc[table["method"] != "standard", CONFIGURATION].tolist()[:2]
    fresh = [r for r in records if r.stage == "confirm" and r.trial.method != "standard"]
    assert {record.identity.configuration for record in fresh} == set(best)
    assert any(r.identity.control == "p-one" for r in searched if r.identity.configuration in best)


def test_training_settings_that_mean_nothing_make_no_setting(tmp_path: Path) -> None:
    """Balanced classes are those of a part of the data; here all of it is trained on."""
    stage = {"name": "grid", "methods": {"standard": {}, "dropattack": {}}}
    definition, records = run(tmp_path, stage | {"training": {"balanced": [False, True]}})
    assert len(records) == 8
    table = configurations(tables(definition, records))
    assert table["method"].nunique() == len(table) == 2
    scored = controls.scored_methods(tables(definition, records), Metric("test_accuracy"))
    assert set(scored["setting"]) == {0}
    assert scored.loc[scored["method"] == "dropattack", "gain"].notna().all()


def test_console_and_report_call_a_training_of_two_methods_alike(tmp_path: Path) -> None:
    """Also where another sweep trained it, so that neither name is the one that trained it here."""
    same = {"targets": "input", "epsilon": 1, "p": 1, "norm": "sample"}
    stage = {"name": "grid", "methods": {"fgm": {"epsilon": 1}, "dropattack": same}}
    definition, records = run(tmp_path / "trained", stage)
    assert len({record.key for record in records}) == 2
    elsewhere = {r.key: ("other", r) for r in records if not r.reused_from}
    driver = Driver(engine(tmp_path / "reused", definition, elsewhere=elsewhere))
    driver.run()
    for found in (records, list(driver.engine.records)):
        best = best_by_workload(definition, found)["digits-lenet5"].record
        assert configurations(tables(definition, found))["method"].tolist() == [best.trial.method]
