"""The course of the learning rate, against its formula."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from dropattack import UsageError
from trainables.recipe.schedule import ScheduleSettings, schedule_for

STEPS, RATE = 40, 0.2


def course(settings: ScheduleSettings, steps: int = STEPS) -> list[float]:
    """The rate of each step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], RATE)
    schedule = schedule_for(optimizer, settings, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return rates


FORMULAS: dict[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "linear": lambda share: 1 - share,
}


@pytest.mark.parametrize("warm", [0, 1, 8])
@pytest.mark.parametrize("name", FORMULAS)
def test_after_a_line_up_the_rate_takes_its_course(name: str, warm: int) -> None:
    rates = course(ScheduleSettings(schedule=name, warmup=warm / STEPS))
    expected = [RATE * (step + 1) / warm for step in range(warm)]
    expected += [RATE * FORMULAS[name](step / (STEPS - warm)) for step in range(STEPS - warm)]
    assert rates == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("warm", [0, 8])
def test_steps_are_taken_after_shares_of_the_whole_training(warm: int) -> None:
    settings = ScheduleSettings(schedule="step", milestones="0.75+0.5", gamma=0.1, warmup=warm / STEPS)
    expected = [RATE * min(1, (step + 1) / warm if warm else 1) for step in range(20)]
    assert course(settings) == pytest.approx([*expected, *[RATE / 10] * 10, *[RATE / 100] * 10])


def test_a_share_that_is_no_binary_number_is_no_step_too_late() -> None:
    settings = ScheduleSettings(schedule="step", milestones="0.1+0.3")
    assert settings.milestones_of(30) == [3, 9]


@pytest.mark.parametrize(("warmup", "peak"), [(0.0, 0.3), (0.5, 0.5)])
def test_one_cycle_rises_and_falls(warmup: float, peak: float) -> None:
    rates = course(ScheduleSettings(schedule="one-cycle", warmup=warmup))
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(RATE)
    assert top == round(peak * STEPS) - 1
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] == pytest.approx(RATE / 25)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "step", "one-cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.01, 0.5, 0.99])
def test_trainings_of_a_few_steps_have_a_course_too(name: str, steps: int, warmup: float) -> None:
    rates = course(ScheduleSettings(schedule=name, warmup=warmup), steps)
    assert all(0 <= rate <= RATE * (1 + 1e-9) for rate in rates)


def test_momentum_is_left_alone_by_one_cycle() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], RATE, momentum=0.5)
    schedule = schedule_for(optimizer, ScheduleSettings(schedule="one-cycle"), STEPS)
    assert schedule is not None
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("milestones", ["", "0.5+", "0.5,0.7", "0", "1", "1.5", "nan", "half", "-0.5"])
def test_milestones_that_are_no_shares_are_refused(milestones: str) -> None:
    with pytest.raises(UsageError, match=r"milestones must be shares of the training joined by \+"):
        ScheduleSettings(schedule="step", milestones=milestones)


def test_milestones_have_one_spelling() -> None:
    assert ScheduleSettings(milestones="0.750+.5+0.5").milestones == "0.5+0.75"
