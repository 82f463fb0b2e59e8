"""The share that ASHA is expected to train, beside Ray's own scheduler on merits that are drawn."""

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from search.definition.sweep import Asha, Select
from search.engine.costs.stopping import expected_share
from search.engine.rungs import Rungs


def trained_by_ray(asha: Asha, trials: int, budget: int, seed: int) -> float:
    """The share that Ray's scheduler lets trials train, one after the other, each as good as it is drawn."""
    generator = random.Random(seed)
    rungs = Rungs(asha, budget, Select(), lambda trial, epoch: epoch, [])
    trained = 0
    for number in range(trials):
        record = cast(Any, SimpleNamespace(key=f"{seed}-{number}", trial=None))
        merit, epoch, goes_on = generator.random(), 0, True
        while goes_on and epoch < budget:
            epoch += 1
            goes_on = rungs.goes_on(record, {"epoch": epoch, "valid_accuracy": merit})
        trained += epoch
    return trained / (trials * budget)


@pytest.mark.parametrize(
    ("asha", "trials", "budget"),
    [(Asha(), 20, 6), (Asha(grace_period=2, reduction_factor=2), 30, 16), (Asha(reduction_factor=4), 8, 9)],
)
def test_it_is_what_rays_scheduler_trains(asha: Asha, trials: int, budget: int) -> None:
    shares = [trained_by_ray(asha, trials, budget, seed) for seed in range(20)]
    assert expected_share(asha, trials, budget) == pytest.approx(sum(shares) / len(shares), abs=0.06)


def test_nothing_is_stopped_without_it_or_before_its_first_rung() -> None:
    assert expected_share(None, 20, 6) == 1
    assert expected_share(Asha(), 1, 6) == 1
    assert expected_share(Asha(grace_period=6), 20, 6) == 1
    assert expected_share(Asha(grace_period=50), 20, 6) == 1


def test_very_many_trials_train_a_little_more_than_the_first_rung() -> None:
    """1, 1/3, 1/9, … of them train 1, 3, 9, … of 27 epochs: (1 + 2/3 + 6/9 + 18/27) / 27; the first more."""
    assert 3 / 27 < expected_share(Asha(), 10_000, 27) < 3 / 27 + 0.05
