"""What is recommended, and what never is."""

import pytest

from analysis.questions.answers import Outcome
from tests.analysis.ways import around, lost, verdict, way


@pytest.mark.parametrize("control", ["equal-passes", "p-one"])
@pytest.mark.parametrize("n", [4, 10])
def test_a_control_that_wins_is_the_first_line_and_is_used(control: str, n: int) -> None:
    found = verdict(
        way("baseline", around(0.90, n=n)),
        way("attack", around(0.92, n=n)),
        way(control, around(0.95, n=n)),
    )
    first, _, use, *_ = found.lines()
    who = {
        "equal-passes": "plain training with as many passes",
        "p-one": "Its control p-one, no mask (p = 1)",
    }
    assert first.index(who[control]) < first.index("is better by +")
    assert found.use is not None
    assert found.use.arm.control == control
    assert control in use
    assert control in found.to_dict()["use"]["name"]


@pytest.mark.parametrize("gain", [-0.0001, -0.013, -0.2])
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_a_loser_on_confirmation_is_never_recommended(gain: float, n: int) -> None:
    found = verdict(*lost(gain, n, spread=abs(gain) / 10))
    assert found.use is not None
    assert found.use.arm.is_baseline
    _, epochs, use, *_ = found.lines()
    assert use.startswith("Use plain training, 1 pass a step")
    assert (
        f"which validation chose, gained nothing over plain training: {100 * gain:+.2f}".replace("-", "−")
        in use
    )
    assert f"n = {n} fresh seed" in epochs


def test_searched_seeds_count_nothing_beside_fresh_ones() -> None:
    """Six searched points do not outweigh three fresh seeds without a gain."""
    found = verdict(*lost(0.0))
    assert found.equal_epochs.effect.n == 3
    assert found.equal_epochs.outcome is not Outcome.HELPS


def test_the_best_of_many_on_one_seed_is_called_that() -> None:
    settings = [way("attack", [0.90 + 0.001 * i], epsilon=float(i + 1)) for i in range(12)]
    found = verdict(way("baseline", [0.90]), *settings)
    use = found.lines()[2]
    assert use.startswith("Use plain training")
    assert "ε\xa012 · p\xa00.5 · K\xa01 is the best of 12 on 1 seed, but not confirmed" in use


def test_without_any_baseline_nothing_is_compared_with_it() -> None:
    found = verdict(way("attack", around(0.92)), way("equal-passes", around(0.90)))
    assert found.equal_cost.outcome is Outcome.HELPS
    assert found.equal_epochs.outcome is Outcome.UNTESTED
    assert "plain training did not run" in found.lines()[1]
    assert "no plain training to compare it with" in found.lines()[2]


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("gain", [0.05, -0.05])
def test_below_three_seeds_nothing_is_decided_and_values_stand_for_the_interval(n: int, gain: float) -> None:
    plain, attacked = around(0.90, 1e-5, n), around(0.90 + gain, 1e-5, n)
    found = verdict(way("baseline", plain), way("attack", attacked))
    assert found.equal_epochs.outcome is Outcome.UNDECIDED
    assert found.use is not None
    assert found.use.arm.is_baseline
    line = found.lines()[1]
    assert "[" not in line
    shown = [f"{100 * (a - b):+.2f}".replace("-", "−") for a, b in zip(attacked, plain, strict=True)]
    assert n == 1 or all(text in line for text in shown)


@pytest.mark.parametrize("gain", [0.001, 0.0005])
def test_a_gain_that_is_sure_and_does_not_matter_recommends_nothing_dearer(gain: float) -> None:
    """Shown by its test, and within the margin of 0.2 points: it costs twice the passes for that."""
    plain = around(0.90, n=8)
    attacked = [value + gain + 1e-5 * (-1) ** i for i, value in enumerate(plain)]
    found = verdict(way("baseline", plain), way("attack", attacked))
    assert found.equal_epochs.effect.p < 0.05
    assert found.equal_epochs.outcome is Outcome.ALIKE
    assert found.use is not None
    assert found.use.arm.is_baseline
    assert "nothing is shown to be better by a difference that matters" in found.lines()[2]
