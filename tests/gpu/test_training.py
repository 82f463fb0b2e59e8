"""Trainings away from the CPU: their recipes, and where they go on."""

import copy
import io
from typing import Any

import pytest
import torch

from tests.gpu.conftest import Away
from tests.gpu.trials import IMAGES, TEXTS, data, numbers, trial
from tests.pretended import AWAY, pretended
from trainables.training.loop import Training

RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "cosine": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "schedule": "cosine", "warmup": 0.3},
    "one-cycle": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "one-cycle"},
    "ema": {"average": "ema", "average_decay": 0.9},
    "swa": {"average": "swa", "average_start": 0.4},
    "crop-flip": {"augment": "crop-flip"},
    "accumulate": {"accumulate": 2, "clip_norm": 0.1},
    "smoothed": {"label_smoothing": 0.1, "weight_decay": 0.1, "weight_decay_on": "weights"},
    "adversarial": {"examples": "both", "robustness": "fgm:0.5"},
    "bfloat16": {"precision": "bfloat16"},
}
CASES = [(IMAGES, name) for name in RECIPES] + [(TEXTS, name) for name in ("plain", "ema", "accumulate")]


def saved(training: Training, device: torch.device) -> dict[str, Any]:
    """What a checkpoint gives back."""
    if device == AWAY:
        return copy.deepcopy(training.state_dict())
    file = io.BytesIO()
    torch.save(training.state_dict(), file)
    file.seek(0)
    found: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    return found


@pytest.mark.parametrize(("workload", "recipe"), CASES)
@pytest.mark.parametrize("method", ["standard", "dropattack"])
def test_a_training_that_is_resumed_goes_on_as_if_it_had_not_stopped(
    workload: str, recipe: str, method: str, away: Away
) -> None:
    """Bit for bit on images; sums of texts' embeddings have no order on a GPU, and keep to 0.1 %."""
    asked = trial(workload, method, **RECIPES[recipe])
    with away() as device:
        whole = Training(asked, data(workload), device)
        first = whole.epoch()
        kept = saved(whole, device)
        second = whole.epoch()
        resumed = Training(asked, data(workload), device)
        resumed.load_state_dict(kept)
        found = resumed.epoch()
        assert numbers(resumed.history[0]) == numbers(first)
        if workload == IMAGES:
            assert numbers(found) == numbers(second)
            for one, other in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
                assert torch.equal(one.detach().cpu(), other.detach().cpu())
        else:
            assert found["train_loss"] == pytest.approx(second["train_loss"], rel=1e-3)


@pytest.mark.parametrize(("workload", "recipe"), [case for case in CASES if case[1] != "crop-flip"])
def test_a_recipe_gives_the_numbers_of_the_cpu(workload: str, recipe: str, away: Away) -> None:
    """Without what is drawn, which differs between devices; within 2 % in bfloat16, else 0.1 %."""
    asked = trial(workload, **RECIPES[recipe])
    expected = Training(asked, data(workload)).epoch()
    with away() as device:
        found = Training(asked, data(workload), device).epoch()
    bound = 0.02 if recipe == "bfloat16" else 1e-3
    for name in ("train_loss", "valid_loss"):
        assert found[name] == pytest.approx(expected[name], rel=bound)
    assert found["on_gpu"] == 1


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_host_waits_no_more_often_with_more_steps(recipe: str) -> None:
    waits = []
    for size in (6, 2):
        asked = trial(IMAGES, "dropattack", **{**RECIPES[recipe], "batch_size": size})
        with pretended() as watch:
            training = Training(asked, data(IMAGES), AWAY)
            training.epoch()
            watch.waits.clear()
            training._train()
        waits.append(sum(watch.waits.values()))
    assert waits[0] == waits[1], dict(watch.waits)
