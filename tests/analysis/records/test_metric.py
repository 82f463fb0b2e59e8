"""How a metric is shown: its decimals follow the size of its values."""

import math

import pytest

from analysis.records import Metric
from tests.analysis.ways import records, way


@pytest.mark.parametrize(
    ("typical", "shown"),
    [
        *((739.52, "739.52"), (3197.68, "3197.7"), (52_000.0, "52000"), (2.5, "2.5000"), (0.25, "0.2500")),
        *((0.0123, "0.01230"), (math.nan, "1.0000"), (0.0, "0.0000"), (math.inf, "inf")),
    ],
)
def test_five_digits_of_a_usual_value_are_shown_and_four_below_one(typical: float, shown: str) -> None:
    value = 1.0 if math.isnan(typical) else typical
    assert f"{value:.{Metric('test_rmse', False, typical).decimals}f}" == shown


def test_shares_and_passes_have_their_own() -> None:
    assert (Metric("test_accuracy", True, 0.01).decimals, Metric("valid_passes", False, 1e4).decimals) == (
        2,
        1,
    )


def test_what_is_usual_is_the_median_of_what_was_recorded() -> None:
    found = records(way("baseline", {0: 700.0, 1: -800.0, 2: 1e9}), select="valid_rmse", mode="min")
    assert found.selected.typical == 800.0
    assert found.selected == Metric("valid_rmse", False), "it is no part of what a metric is"
