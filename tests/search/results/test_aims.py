"""What records of several aims amount to: tables, the best, and the same through MLflow and ask-and-tell."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.questions.front import front
from analysis.records import from_mlflow
from dropattack import UsageError
from search import Study, Sweep
from search.definition.select import Select
from search.records.record import Record, measured
from search.results.best import best_by_workload
from search.results.frames import records_for_analysis
from search.results.leading import Leading
from search.results.verdict import verdicts_of
from search.tracking.picture import best_of
from search.tracking.projection import Projection
from search.tracking.shown import ShownRuns
from tests.patience import PATIENCE_SECONDS

PGD = "pgd-20_0.1_accuracy"
SELECT: dict[str, Any] = {"metrics": ["accuracy", PGD, "passes"], "constraints": ["accuracy >= 0.8"]}
SWEEP: dict[str, Any] = {
    "name": "several",
    "workload": "digits-lenet5",
    "training": {"epochs": 2, "robustness": "pgd-20:0.1"},
    "seeds": [0, 1],
    "select": SELECT,
    "stages": [{"name": "grid", "methods": {"standard": {}, "fgm": {"epsilon": [0.1, 0.2]}}}],
}
VALUES = {0.0: (0.9, 0.1), 0.1: (0.85, 0.3), 0.2: (0.7, 0.6)}
"""By ε of the attack accuracy, and that under attack."""


def _told(folder: Path, select: dict[str, Any] = SELECT) -> tuple[Study, list[Record]]:
    """A sweep whose first epoch is the better one in accuracy, and the worse one under attack."""
    with Study.open(Sweep(**SWEEP | {"select": select}), folder, trained_by="by hand 1") as study:
        while (trial := study.ask()) is not None:
            accuracy, robust = VALUES[trial.hyperparameters.get("epsilon", 0.0)]
            metrics = {"accuracy": accuracy + 0.01 * trial.seed, PGD: robust}
            metrics |= {"test_accuracy": accuracy, f"test_{PGD}": robust}
            study.tell(trial, epoch=1, metrics=metrics)
            study.tell(trial, epoch=2, metrics=metrics | {"accuracy": accuracy - 0.1, PGD: robust + 0.1})
    return study, list(study._engine.records)


def test_every_aim_is_that_of_the_epoch_that_the_first_chooses(tmp_path: Path) -> None:
    study, records = _told(tmp_path)
    select = Select.model_validate(SELECT)
    for record in records:
        accuracy, robust = VALUES[record.trial.hyperparameters.get("epsilon", 0.0)]
        passes = 2.0 if record.trial.method == "standard" else 4.0
        expected = {"accuracy": accuracy + 0.01 * record.trial.seed, PGD: robust, "passes": passes}
        assert record.aims(select) == expected
        assert record.value(select) == robust
        best = {"best/valid_accuracy": expected["accuracy"], f"best/valid_{PGD}": robust}
        tested = {"best/test_accuracy": accuracy, f"best/test_{PGD}": robust}
        assert best_of(select, record.epochs) == best | tested
    table = front(records_for_analysis(study.result.sweep, records, ShownRuns(), {}))
    assert list(table["epsilon"].fillna(0)) == [0.0, 0.1, 0.2]
    assert list(table["rank"]) == [0, 0, 0]
    assert list(table["best"]) == [False, True, False]
    (verdict,) = study.result.verdicts.values()
    assert verdict.metric.column == f"test_{PGD}"


def test_what_is_measured_at_the_end_only_is_of_the_best_model() -> None:
    select = Select.model_validate(SELECT)
    epochs = [{"epoch": 1, "valid_accuracy": 0.9}, {"epoch": 2, "valid_accuracy": 0.8, f"valid_{PGD}": 0.3}]
    assert measured(select, epochs) == {"accuracy": 0.9, PGD: 0.3}
    assert measured(select, epochs[:1]) == {"accuracy": 0.9}
    assert measured(select, []) == {}


@pytest.mark.parametrize(
    ("rule", "epsilon", "keeps"),
    [
        ({"constraints": ["accuracy >= 0.8"]}, 0.1, True),
        ({"constraints": ["accuracy >= 0.6"]}, 0.2, True),
        ({"constraints": ["accuracy >= 0.95"]}, 0.0, False),
        ({"constraints": [f"{PGD} >= 0.2"]}, 0.1, True),
        ({"weights": {"accuracy": 1, PGD: 1, "passes": 0}}, 0.2, True),
        ({"weights": {"accuracy": 1, PGD: 1, "passes": 1}}, 0.0, True),
    ],
    ids=str,
)
def test_all_that_names_a_best_names_that_of_the_rule(
    tmp_path: Path, rule: dict[str, Any], epsilon: float, keeps: bool
) -> None:
    study, records = _told(tmp_path, {"metrics": SELECT["metrics"], **rule})
    sweep = study.result.sweep
    best = best_by_workload(sweep, records)["digits-lenet5"]
    leading = Leading(sweep)
    for record in records:
        leading.add(record)
    leader = leading.leaders()["digits-lenet5"]
    tables = records_for_analysis(sweep, records, ShownRuns(), {})
    (chosen,) = front(tables).query("best")["epsilon"].fillna(0.0)
    found = [each.record.trial.hyperparameters.get("epsilon", 0.0) for each in (best, leader)]
    assert [*found, chosen] == [epsilon] * 3
    assert (best.keeps, leader.keeps) == (keeps, keeps)
    (verdict,) = verdicts_of(tables)["verdicts"]
    (line, _) = [line for line in verdict["front"] if line.startswith("*")]
    assert line.endswith(f"\N{NO-BREAK SPACE}{epsilon:g}" if epsilon else "standard")


@pytest.mark.parametrize("missing", ["accuracy", PGD])
def test_an_aim_that_is_not_told_is_asked_for(tmp_path: Path, missing: str) -> None:
    metrics = {name: 0.5 for name in ("accuracy", PGD) if name != missing}
    with Study.open(Sweep(**SWEEP), tmp_path, trained_by="by hand 1") as study:
        trial = study.ask()
        assert trial is not None
        with pytest.raises(UsageError, match=f"the sweep selects by '{missing}'; tell it too"):
            study.tell(trial, epoch=1, metrics=metrics)
        assert not study.tell(trial, epoch=1, metrics={**metrics, missing: float("nan")})


def test_mlflow_gives_the_same_front(tmp_path: Path) -> None:
    """What its runs show is of the last epoch; the aims are those of the best one."""
    study, records = _told(tmp_path / "store")
    sweep, uri = study.result.sweep, f"sqlite:///{tmp_path / 'mlflow.db'}"
    projection = Projection(uri, sweep, tmp_path / "artifacts", {})
    projection.start(records)
    projection.drain(PATIENCE_SECONDS)
    assert projection.close([], []) == ""
    ours = front(records_for_analysis(sweep, records, ShownRuns(), {}))
    theirs = front(from_mlflow(uri, "several"))
    columns = ["rank", "best", "keeps", "n", "valid_accuracy", f"valid_{PGD}", "valid_passes", f"test_{PGD}"]
    pd.testing.assert_frame_equal(theirs[columns], ours[columns], check_dtype=False)
