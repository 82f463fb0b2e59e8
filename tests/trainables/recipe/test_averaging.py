"""Averaged weights, against their formulas."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from trainables.recipe.averaging import AveragingSettings, averaged

VALUES = (1.0, 5.0, 2.0, 8.0)


def seen(settings: AveragingSettings) -> list[float]:
    """The evaluated weight after each of four epochs of one step."""
    model = nn.Linear(1, 1, bias=False)
    average = averaged(model, settings)
    found = []
    for epoch, value in enumerate(VALUES, 1):
        with torch.no_grad():
            model.weight.fill_(value)
        if average is not None:
            average.update(epoch / len(VALUES))
        evaluated = model if average is None else average.model
        found.append(float(evaluated.state_dict()["weight"]))
    return found


def test_without_an_average_there_is_none() -> None:
    assert averaged(nn.Linear(1, 1), AveragingSettings()) is None


def test_a_moving_average_begins_with_the_first_weights() -> None:
    decay, expected = 0.5, [1.0]
    for value in VALUES[1:]:
        expected.append(decay * expected[-1] + (1 - decay) * value)
    assert seen(AveragingSettings(average="ema", average_decay=decay)) == pytest.approx(expected)


def test_a_mean_begins_after_its_start_and_until_then_there_is_what_trains() -> None:
    found = seen(AveragingSettings(average="swa", average_start=0.5))
    assert found == pytest.approx([1.0, 5.0, 2.0, (2.0 + 8.0) / 2])


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_running_statistics_are_averaged_too_and_counters_stay_whole(average: str) -> None:
    model = nn.Sequential(nn.BatchNorm1d(1))
    kept = averaged(model, AveragingSettings(average=average, average_decay=0.5))
    assert kept is not None
    for value in (2, 4):
        model[0].running_mean.fill_(value)
        model[0].num_batches_tracked.fill_(value)
        kept.update(1.0)
    state = kept.model.state_dict()
    assert float(state["0.running_mean"]) == pytest.approx(3.0)
    assert torch.equal(state["0.num_batches_tracked"], torch.tensor(4))


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (AveragingSettings(average="ema", average_decay=0.9), get_ema_multi_avg_fn(0.9)),
        (AveragingSettings(average="swa", average_start=0.0), get_swa_multi_avg_fn()),
    ],
)
def test_averages_are_those_of_torch_bit_for_bit(settings: AveragingSettings, rule: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    torchs = AveragedModel(model, multi_avg_fn=rule)
    own = averaged(model, settings)
    assert own is not None
    for _ in range(5):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        torchs.update_parameters(model)
        own.update(1.0)
    for one, other in zip(own.model.parameters(), torchs.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_average_goes_on_where_its_state_left_it() -> None:
    settings = AveragingSettings(average="swa", average_start=0.0)
    model = nn.Linear(1, 1, bias=False)
    first = averaged(model, settings)
    assert first is not None
    with torch.no_grad():
        model.weight.fill_(1.0)
    first.update(1.0)
    second = averaged(model, settings)
    assert second is not None
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        model.weight.fill_(3.0)
    second.update(1.0)
    assert float(second.model.state_dict()["weight"]) == pytest.approx(2.0)
