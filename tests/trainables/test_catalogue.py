"""The page of workloads says what the workloads are."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dropattack import Settings, UsageError, setting
from dropattack.catalogue import renewed
from trainables import catalogue
from trainables.papers import PAPERS
from trainables.trial import Trial
from trainables.workload import Workload
from trainables.workloads import workload_named

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "workloads.md"


def test_the_page_has_every_workload_as_the_code_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page, catalogue.reference) == page, (
        "run: python -m trainables.catalogue docs/reference/workloads.md"
    )


@pytest.mark.parametrize("name", [each.name for each in PAPERS])
def test_the_ends_of_a_range_of_targets_can_be_attacked(name: str) -> None:
    rows = re.findall(r"^\| (.*) \| (.*) \|$", catalogue.attackable(PAPERS), re.MULTILINE)
    (said,) = (targets for names, targets in rows if f"`{name}`" in names)
    for target in re.findall(r"`(.*?)`", said):
        training = workload_named(name).training
        trial = Trial.make(name, "dropattack", {"targets": target}, training, 0, "checksum")
        assert trial.hyperparameters["targets"] == target


def test_a_metric_of_the_table_can_be_selected_by_and_f1_of_no_other() -> None:
    for each in PAPERS:
        metrics = catalogue.measured(each)
        for metric in metrics:
            each.check_training(replace(each.training, best_by=metric))
        if "f1" not in metrics:
            with pytest.raises(UsageError, match="f1"):
                each.check_training(replace(each.training, best_by="f1"))


def test_no_line_breaks_a_table() -> None:
    for line in catalogue.overview(PAPERS).splitlines():
        assert len(re.findall(r"(?<!\\)\|", line)) == 7, line


@dataclass(frozen=True, kw_only=True)
class Sizes(Settings):
    """Of a model."""

    width: int = setting(8, "Width.", low=1)
    name: str = setting("", "Any File.")
    wide: bool = setting(True, "Whether it is wide.")


def test_a_default_that_differs_names_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"one": Sizes(), "two": Sizes(width=4, name="A.txt", wide=False)}
    monkeypatch.setattr(Workload, "data_settings", lambda self: own.get(self.name, Sizes()))
    monkeypatch.setattr(Workload, "model_settings", lambda self: Settings())
    usual = workload_named("digits-lenet5")
    text = catalogue.settings(
        [replace(usual, name="one", model=None), replace(usual, name="two", model=None)]
    )
    assert text.splitlines()[0] == "`data:` of `one`, `two`"
    assert "| `width` | 8; 4 in `two` | ≥ 1 | Width. |" in text
    assert "| `name` | –; A.txt in `two` | any | Any File. |" in text
    assert "| `wide` | true; false in `two` | true \\| false | Whether it is wide. |" in text
