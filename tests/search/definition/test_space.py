"""Ranges in steps: decimal numbers, however they are enumerated, drawn or compared."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import optuna
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import create_trial

from dropattack import UsageError
from search.definition.space import Interval, admits, values
from search.definition.sweepfile import load_sweep

GRID, SEARCH = "stages.sensitivity.methods.dropattack", "stages.search.methods.dropattack"

DIGITS = st.integers(1, 9_999)
PLACES = st.integers(-8, 8)


@st.composite
def stepped(draw: st.DrawFn) -> tuple[Interval, list[Decimal]]:
    """A range in steps, and its values by decimal arithmetic."""
    places = draw(PLACES)
    low = draw(st.integers(-9_999, 9_999)) * Decimal(10) ** (places + draw(st.integers(-2, 2)))
    step = draw(DIGITS) * Decimal(10) ** places
    expected = [low + number * step for number in range(draw(st.integers(0, 60)) + 1)]
    return Interval(low=float(low), high=float(expected[-1]), step=float(step)), expected


@settings(deadline=None)
@given(stepped())
def test_values_are_those_of_decimal_arithmetic(case: tuple[Interval, list[Decimal]]) -> None:
    interval, expected = case
    interval.check_steps()
    assert values(interval) == [float(str(value)) for value in expected]


def test_a_tenth_three_times_is_three_tenths() -> None:
    found = values(Interval(low=0.1, high=1, step=0.1))
    assert found == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert [repr(value) for value in found[2:7]] == ["0.3", "0.4", "0.5", "0.6", "0.7"]


@settings(deadline=None)
@given(stepped(), st.integers(0, 60), st.floats(-0.49, 0.49))
def test_the_nearest_value_is_taken_and_only_values_on_a_step_are_admitted(
    case: tuple[Interval, list[Decimal]], number: int, off: float
) -> None:
    interval, expected = case
    value = expected[number % len(expected)]
    shifted = float(value + Decimal(off) * Decimal(str(interval.step)))
    assert interval.nearest(shifted) == float(value)
    assert admits(interval, float(value))
    if abs(off) > 1e-3:
        assert not admits(interval, shifted)


def test_noise_of_sums_words_and_what_lies_outside_are_not_admitted() -> None:
    interval = Interval(low=0.1, high=1, step=0.1)
    for value in (0.1 + 0.2, 0.05, 0.0, 1.1, float("nan"), float("inf"), "0.3"):
        assert not admits(interval, value), value
    assert admits(Interval(low=1, high=9, step=2), 3)
    assert not admits(Interval(low=1, high=9, step=2), 4)
    assert admits(Interval(low=0.1, high=1), 0.1 + 0.2), "without steps, every number between"


@pytest.mark.parametrize("sampler", [RandomSampler(seed=0), TPESampler(seed=0, n_startup_trials=3)])
@settings(max_examples=25, deadline=None)
@given(case=stepped())
def test_what_optuna_suggests_becomes_a_value_on_a_step(
    sampler: BaseSampler, case: tuple[Interval, list[Decimal]]
) -> None:
    """And Optuna takes every such value back, as warm starts and replayed journals need."""
    interval, expected = case
    listed = {float(value) for value in expected}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler)
    for _ in range(8):
        trial = study.ask()
        drawn = interval.suggest(trial, "x", whole=False)
        assert drawn in listed
        study.tell(trial, drawn)
    for value in (*listed, trial.params["x"]):
        create_trial(value=0.0, params={"x": value}, distributions=trial.distributions)


def test_whole_numbers_are_drawn_on_their_steps_too() -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    interval = Interval(low=1, high=9, step=4)
    drawn = [interval.suggest(study.ask(), "k", whole=True) for _ in range(40)]
    assert set(drawn) == {1, 5, 9}
    assert all(isinstance(value, int) for value in drawn)


@settings(deadline=None)
@given(stepped(), st.decimals("0.01", "0.99", places=2))
def test_a_range_that_its_steps_miss_is_refused_with_the_nearest_end_that_fits(
    case: tuple[Interval, list[Decimal]], part: Decimal
) -> None:
    fitting, expected = case
    high = float(expected[-1] + part * Decimal(str(fitting.step)))
    missed = Interval(low=fitting.low, high=high, step=fitting.step)
    with pytest.raises(UsageError, match="write high: ") as refusal:
        missed.check_steps()
    named = str(refusal.value).rpartition("write high: ")[2]
    Interval(low=fitting.low, high=float(named), step=fitting.step).check_steps()
    step, end = Fraction(str(fitting.step)), Fraction(str(expected[-1]))
    assert abs(Fraction(named) - Fraction(str(high))) <= Fraction(min(part, 1 - part)) * step
    assert Fraction(named) in (end, end + step)
    assert missed.trimmed == fitting


@settings(deadline=None)
@given(*[st.floats(allow_nan=False, allow_infinity=False)] * 3)
def test_any_three_numbers_are_a_range_or_refused_in_one_line(one: float, two: float, step: float) -> None:
    try:
        interval = Interval(low=min(one, two), high=max(one, two), step=step)
        interval.check_steps()
    except ValueError:
        return
    assume(interval.high - interval.low <= 1000 * step)
    assert values(interval)[0] == interval.low
    assert values(interval)[-1] == interval.high


@pytest.mark.parametrize("where", [f"{GRID}.epsilon", f"{SEARCH}.epsilon", "training.learning_rate"])
@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        ({"low": 0, "high": 1, "step": 0.3}, r"steps of 0.3 from 0 reach 0.9 and 1.2, not high, 1; .*: 0.9$"),
        ({"low": 0, "high": 0.2, "step": 0.3}, r"reach 0 and 0.3, not high, 0.2; write high: 0.3$"),
        ({"low": 0, "high": 1, "step": float("inf")}, "finite number"),
        ({"low": 0, "high": 1, "step": float("nan")}, "finite number|greater than 0"),
        ({"low": float("nan"), "high": 1}, "finite number"),
        ({"low": 0, "high": float("inf")}, "finite number"),
        ({"low": 0, "high": 10**400}, "must be a number"),
        ({"low": 0, "high": 1, "step": 0}, "greater than 0"),
        ({"low": 0, "high": 1, "step": -0.1}, "greater than 0"),
        ({"low": 0, "high": 1, "step": True}, "must be a number"),
        ({"low": 1.0000001, "high": 1}, "low is 1.0000001, which is not below high, 1"),
        ({"low": 0.1, "high": 1, "step": 0.1, "log": True}, "no step"),
        ({"low": 0, "high": 1, "step": 1e-300}, "step 1e-300 is too small for numbers as large as 1"),
        ({"low": 0, "high": 10**12, "step": 1}, "step 1 is too small for numbers as large as 1000000000000"),
        ({"low": -(10**12), "high": 0, "step": 1}, "step 1 is too small for numbers as large as 10000000000"),
        ({"low": 1e16, "high": 1e16 + 4, "step": 0.5}, "too small"),
        ({"low": 0, "high": 1.7e308, "step": 1.7e308}, "too large to add"),
        ({"low": 10.1, "high": 11, "step": 0.12345678901234567}, "fewer digits"),
        ([10**400], "must be finite"),
    ],
)
def test_ranges_that_cannot_be_are_refused_in_one_line_before_they_are_counted(
    where: str, dimension: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as error:
        load_sweep("demo", {where: dimension})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (f"{GRID}.k", {"low": 1, "high": 6, "step": 2}, "reach 5 and 7, not high, 6; write high: 5"),
        (f"{GRID}.k", {"low": 1, "high": 5, "step": 0.5}, "k: step must be a whole number, not 0.5"),
        ("model.hidden1", {"low": 8, "high": 9, "step": 0.5}, "hidden1: step must be a whole number"),
        (f"{GRID}.epsilon", {"low": 0, "high": 1, "step": 1e-4}, "at most 10,000 values .* give 10,001"),
        (
            "stages.search.exclude",
            [{"epsilon": {"low": 0, "high": 1, "step": 0.3}}],
            "exclude.epsilon: steps of 0.3",
        ),
    ],
)
def test_every_place_that_takes_a_range_checks_its_steps(path: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_sweep("demo", {path: value})


def test_ranges_in_steps_are_welcome_wherever_values_are_listed() -> None:
    tenths, odd = {"low": 0.1, "high": 1, "step": 0.1}, {"low": 1, "high": 5, "step": 2}
    for where in (GRID, SEARCH):
        load_sweep("demo", {f"{where}.epsilon": tenths, f"{where}.k": odd, "model.hidden1": odd})
