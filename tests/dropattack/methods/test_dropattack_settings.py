"""DropAttack's settings: presets, groups of targets, and what is counted and flagged."""

from typing import Any

import pytest
import torch

import dropattack
from dropattack import DropAttackSettings, UsageError
from tests.dropattack.toys import Images, Points, Texts, make, standing


def test_p_zero_is_flagged_and_equal_passes_are_counted():
    nothing = DropAttackSettings(targets="input+conv1.w", p=0.0, k=3)
    assert nothing.passes == 1
    assert "standard training" in nothing.remark
    equal = DropAttackSettings(targets="input+conv1.w", k=3, control="equal-passes")
    attack = DropAttackSettings(targets="input+conv1.w", k=3)
    assert equal.rounds_at(1) == equal.passes_at(1) == attack.passes == attack.passes_at(1) == 7
    assert attack.rounds_at(1) == equal.passes == 1
    assert attack.remark == ""


def test_presets():
    assert DropAttackSettings.from_dict({"preset": "paper"}) == DropAttackSettings()
    notebook = DropAttackSettings.from_dict({"preset": "notebook", "k": 3})
    assert (notebook.step_mode, notebook.k) == ("accumulate", 3)
    with pytest.raises(UsageError, match="unknown preset 'book'; did you mean 'notebook'"):
        DropAttackSettings.from_dict({"preset": "book"})


def test_groups():
    def groups(grouping, targets="conv2.w+input+conv1.w"):
        return DropAttackSettings(targets=targets, grouping=grouping).groups

    assert groups("input+hidden") == [("input",), ("conv1.w", "conv2.w")]
    assert groups("per-target") == [("input",), ("conv1.w",), ("conv2.w",)]
    assert groups("joint") == [("input", "conv1.w", "conv2.w")]
    assert groups("input+hidden", "conv1.w") == [("conv1.w",)]


def test_without_the_input_its_ratio_decides_nothing():
    assert DropAttackSettings(targets="conv.w", input_ratio=3) == DropAttackSettings(targets="conv.w")


READINGS = [
    {},
    {"norm": "sample"},
    {"norm": "row"},
    {"norm": "joint", "targets": "input+hidden"},
    {"norm": "joint", "grouping": "joint", "targets": "input+hidden"},
    {"norm": "joint", "grouping": "joint", "targets": "input+hidden", "text_input": "tokens"},
    {"targets": "hidden"},
    {"text_input": "tokens"},
    {"text_input": "tokens", "norm": "sample"},
    {"epsilon_scale": "relative", "text_input": "tokens"},
    {"control": "p-one"},
    {"control": "p-one-norm"},
    {"control": "eps-zero"},
    {"control": "equal-passes"},
    {"input_ratio": 0.0, "targets": "input+hidden"},
    {"input_ratio": 0.3, "targets": "input+hidden"},
    {"epsilon": 0.0},
    {"p": 0.0},
]


def sizes_by_example(model: Any, batch: Any, settings: DropAttackSettings) -> list[float]:
    """L2 norms of what the first attacked pass adds to the first example, pixels or vectors of tokens."""
    points = Points().follow(model)
    method = dropattack.DropAttack(settings, dropattack.Task(names=model.names, generator=torch.Generator()))
    method.step(model, batch, standing(model))
    start = points.activations[0]
    return [float((seen - start)[0].norm()) for seen in points.activations[1:]]


@pytest.mark.parametrize("toy", [Images, Texts])
@pytest.mark.parametrize(
    "reading", READINGS, ids=lambda r: ",".join(f"{k}={v}" for k, v in r.items()) or "paper"
)
def test_a_batch_shares_a_norm_where_more_of_the_same_examples_are_attacked_less(
    toy: Any, reading: dict[str, Any]
) -> None:
    """Every example twice: the mean loss is the same, and so is each perturbation but for a shared norm."""
    model = make(toy)
    inputs, labels = model.batch()
    twice = tuple(t.repeat_interleave(2, 0) for t in inputs) if isinstance(inputs, tuple) else None
    doubled = (inputs.repeat_interleave(2, 0) if twice is None else twice), labels.repeat_interleave(2)
    settings = DropAttackSettings(**{"epsilon": 0.7, "p": 1.0, "targets": "input"} | reading)
    once = sizes_by_example(model, (inputs, labels), settings)
    both = sizes_by_example(model, doubled, settings)
    less = max((a / b for a, b in zip(once, both, strict=True) if b > 1e-12), default=1.0)
    shared = settings.spread_over_batch("input" in model.names)
    assert less == pytest.approx(1.0) or 2**0.5 - 1e-6 < less < 2
    assert (less > 1.1) == shared
    alone = settings.norm == "tensor" or settings.grouping != "joint"
    assert not (shared and alone) or less == pytest.approx(2**0.5)
