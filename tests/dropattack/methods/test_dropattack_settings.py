"""DropAttack's settings: presets, groups of targets, and what is counted and flagged."""

import pytest

from dropattack import DropAttackSettings, UsageError


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
