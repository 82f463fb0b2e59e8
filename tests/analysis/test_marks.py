"""What figures say of their points and cells: the trials that they name are those that they show."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.document import Figure, Mark
from analysis.records import Records
from analysis.report import sections
from tests.analysis import synthetic

GRID: dict[str, Any] = {"targets": ["input", "conv1.w", "fc.w"], "epsilons": [1, 5], "ps": [0.0, 0.5, 0.7]}


@pytest.fixture(scope="module")
def records() -> Records:
    """A grid with its controls, of which some trials failed and some were stopped; rows in no order."""
    frame = synthetic.trials(**GRID)
    frame.loc[3, ["state", "value"]] = ["failed", np.nan]
    frame.loc[5, "state"] = "pruned"
    plain = frame[frame["method"] == "standard"]
    sams = [
        plain.assign(method="sam", rho=rho, passes=2, key=f"sam-{rho}-" + plain["key"]) for rho in (0.05, 0.1)
    ]
    longer = pd.concat([plain, *sams]).assign(**{"training.epochs": 9})
    longer["key"] = "longer-" + longer["key"]
    whole = pd.concat([frame, *sams, longer]).sample(frac=1, random_state=0)
    return synthetic.records(whole)


def marks(records: Records, name: str) -> list[tuple[Mark, pd.DataFrame]]:
    """The marks of all figures whose name begins so, each with the trials that it names."""
    figures = [part for section in sections(records) for part in section.parts if isinstance(part, Figure)]
    found = [mark for figure in figures if figure.name.startswith(name) for mark in figure.marks]
    return [(mark, records.trials.loc[list(mark.trials)]) for mark in found]


def same_targets(label: str, trials: pd.DataFrame) -> bool:
    return set(trials["targets"]) == {label}


def same_cell(label: str, trials: pd.DataFrame) -> bool:
    return {f"ε {row['epsilon']:g}, p {row['p']:g}" for _, row in trials.iterrows()} == {label}


def same_method(label: str, trials: pd.DataFrame) -> bool:
    return set(trials["method"]) <= {label, "standard"}


@pytest.mark.parametrize(
    ("name", "fits", "least"),
    [("layers-", same_targets, 3), ("map-", same_cell, 36), ("methods-", same_method, 2)],
)
def test_marks_name_the_trials_that_they_show(
    records: Records, name: str, fits: Callable[[str, pd.DataFrame], bool], least: int
) -> None:
    found = marks(records, name)
    assert len(found) >= least
    for mark, trials in found:
        assert len(trials) > 1, mark
        assert fits(mark.text.partition(": ")[0], trials), mark


def test_cells_name_what_failed_and_what_was_stopped(records: Records) -> None:
    """So that all trials of a map are found from it, those without a value too."""
    found = marks(records, "map-0-value")
    named = {row for _, trials in found for row in trials.index}
    first = found[0][1]["targets"].iloc[0]
    attacks = records.trials[records.trials["targets"] == first]
    assert named == set(attacks.index)
    told = " ".join(mark.text for mark, _ in marks(records, "map-"))
    assert told.count("1 failed") == 2
    assert told.count("1 stopped early") == 2


def test_a_point_of_a_curve_has_the_value_in_its_text(records: Records) -> None:
    for mark, trials in marks(records, "marginals-"):
        label = mark.text.partition(": ")[0]
        column = {"ε": "epsilon", "p": "p"}[label.split()[1]]
        assert {f"{value:g}" for value in trials[column]} == {label.split()[2]}


def test_every_number_of_a_forest_has_a_point_to_hover(records: Records) -> None:
    """The drawing numbers its marks as the figure lists them."""
    for section in sections(records):
        for part in section.parts:
            if isinstance(part, Figure) and part.marks:
                gids = {artist.get_gid() for axes in part.draw().axes for artist in axes.get_children()}
                numbers = {int(gid.removeprefix("mark-")) for gid in gids if gid}
                assert numbers == set(range(len(part.marks))), part.name
