"""What a Task takes, and that it says so where it is given something else."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dropattack import LossScale, Task, UsageError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"loss": "mse"}, r"Task\(loss=…\) takes a function, not str"),
        ({"loss": None}, r"Task\(loss=…\) takes a function, not NoneType"),
        ({"loss": nn.MSELoss}, r"MSELoss is a class; pass MSELoss\(\)"),
        ({"compute": nn.MSELoss()(torch.zeros(1), torch.zeros(1))}, r"Task\(compute=…\) takes a function"),
        ({"words": torch.ones(2, 3)}, r"Task\(words=…\) takes a function"),
        ({"names": ["fc.weight"]}, r"Task\(names=…\) takes a mapping .*, not list"),
        ({"generator": 3}, r"takes a torch\.Generator, not int"),
        ({"autocast": "bfloat16"}, r"such as torch\.bfloat16, not str"),
        ({"scaling": torch.amp.GradScaler("cpu")}, r"takes dropattack\.LossScale\(\); .*, not GradScaler"),
        ({"clip_norm": -1.0}, "takes a positive number, .*, not -1.0"),
        ({"clip_norm": 0}, "takes a positive number"),
        ({"clip_norm": float("nan")}, "takes a positive number"),
        ({"clip_norm": "1"}, "takes a positive number"),
    ],
)
def test_what_is_of_another_kind_is_refused_in_one_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Task(**given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"loss": nn.MSELoss()},
        {"loss": F.mse_loss, "clip_norm": 1, "autocast": torch.bfloat16},
        {"generator": torch.Generator(), "scaling": LossScale(), "words": lambda inputs: inputs > 0},
        {"names": {"input": "embed.weight"}, "clip_norm": float("inf")},
    ],
)
def test_what_is_right_is_taken(given: dict[str, Any]) -> None:
    assert all(getattr(Task(**given), name) is value for name, value in given.items())
