"""What to do next."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.questions.next_step import NextStep
from analysis.questions.verdict import verdicts
from tests.analysis.test_conditional_power import filled_up
from tests.analysis.ways import around, lost, records, verdict, way


def test_what_next_tests_equal_cost_or_adds_the_seeds_that_would_decide() -> None:
    untested = verdict(*lost(0.01))
    assert untested.next.command == "dropattack run s --set 'stages.confirm.search.controls=[equal-passes]'"
    gains = {"baseline": 0.0, "attack": 0.006, "equal-passes": 0.0}
    wide = [way(name, around(0.9 + gain, 0.01, 5)) for name, gain in gains.items()]
    undecided = verdict(*wide)
    d = np.subtract(*(frame["test_accuracy"] for frame in (wide[1], wide[2])))
    many = undecided.next.seeds
    assert many > 20
    for seeds, shares in ((many, (0.77, 0.83)), (many - 8, (0.3, 0.77))):
        p_values = stats.ttest_1samp(filled_up(np.asarray(d), seeds, 4000), 0, axis=1).pvalue
        assert shares[0] < np.mean(p_values < 0.05) < shares[1]
    assert undecided.next.command == f"dropattack run s --set 'seeds={{low: 0, high: {many - 1}}}'"
    apart = _next([frame.replace({"seed": {4: 9}}) for frame in wide], {"sweep": _seeded([0, 1, 2, 3, 9])})
    listed = [0, 1, 2, 3, *range(9, many + 5)]
    assert apart.command == f"dropattack run s --set 'seeds={listed}'"
    decided = verdict(*(way(name, around(0.9 + 9 * gain)) for name, gain in gains.items()))
    assert decided.next.command == ""


def _seeded(seeds: list[int]) -> dict[str, Any]:
    return {"name": "s", "seeds": seeds, "stages": [{"name": "grid", "search": "grid"}]}


def test_what_was_typed_is_the_command_that_goes_on() -> None:
    typed = "dropattack run my.yaml --set training.epochs=3"
    found = verdict(*lost(0.01), runs=[{"command": typed}])
    assert found.next.command == f"{typed} --set 'stages.confirm.search.controls=[equal-passes]'"


def test_a_confirmation_that_was_interrupted_is_to_be_finished_whatever_it_shows_so_far() -> None:
    """Seeds whose trials failed are no reason to run again; seeds of which none ended are."""
    found, running = lost(0.01, n=5), {"stage": "confirm", "state": "running"}
    asked = {"sweep": {"name": "s", "stages": _stages(seeds=[100, 101, 102, 103, 104])}}
    assert "finish" not in _next([*found, way("equal-passes", {100: 0.9}, stage="confirm")], asked).text
    part = [frame[frame["seed"] < 103] for frame in found]
    left = _next([*part, way("attack", {103: 0.9}, **running)], asked)
    assert (left.text, left.command) == (
        "finish the confirmation, which has 3 of 5 seeds",
        "dropattack run s",
    )
    failed = way("attack", {103: np.nan, 104: np.nan}, stage="confirm", state="failed")
    assert "finish" not in _next([*part, failed], asked).text


def test_seeds_that_failed_are_not_asked_for_again_but_retried() -> None:
    """Asked for again they are on record already: the command would do nothing."""
    gains = {"baseline": 0.0, "attack": 0.004, "equal-passes": 0.0}
    fresh = dict(enumerate(around(0.9, 0.01, 4), 100))
    frames = [way(name, {s: v + g for s, v in fresh.items()}, stage="confirm") for name, g in gains.items()]
    frames[1]["test_accuracy"] += [0.01, -0.01, 0.01, -0.01]
    failed = way("attack", {104: np.nan}, stage="confirm", state="failed")
    asked = {"name": "s", "seeds": [0], "stages": _stages(seeds=[100, 101, 102, 103, 104])}
    typed = "dropattack run s.yaml --retry-failed"
    step = _next([*frames, failed], {"sweep": asked, "runs": [{"command": typed}]})
    assert "why trials of the confirmation failed, which has 4 of 5 seeds" in step.text
    assert step.command == typed
    without = _next(frames, {"sweep": asked | {"stages": _stages(seeds=[100, 101, 102, 103])}})
    assert "seeds={low: 100, high: " in without.command or "stop here" in without.text


def test_an_override_is_replaced_and_not_repeated() -> None:
    gains = {"baseline": 0.0, "attack": 0.006, "equal-passes": 0.0}
    wide = [way(name, around(0.9 + gain, 0.01, 5)) for name, gain in gains.items()]
    typed = "dropattack run s.yaml --set 'seeds=[0, 1]' --set training.epochs=3 --set seeds=0 --retry-failed"
    step = _next(wide, {"runs": [{"command": typed}]})
    expected = f"--set training.epochs=3 --set 'seeds={{low: 0, high: {step.seeds - 1}}}'"
    assert step.command == f"dropattack run s.yaml {expected}"


def test_a_sweep_that_python_ran_is_changed_in_python() -> None:
    step = verdict(*lost(0.01), runs=[{"command": "study.py --fast"}]).next
    assert step.command == "study.py --fast"
    assert "set `stages.confirm.search.controls` to `[equal-passes]` in its sweep" in step.text


def _stages(seeds: list[int]) -> list[dict[str, Any]]:
    return [
        {"name": "grid", "search": "grid"},
        {"name": "confirm", "search": {"kind": "confirm", "seeds": seeds}},
    ]


def _next(frames: list[pd.DataFrame], changes: dict[str, Any]) -> NextStep:
    (found,) = verdicts(replace(records(*frames), **changes))
    return found.next


def test_a_confirmation_is_advised_with_the_control_that_the_method_needs() -> None:
    """Of three settings that validation chose among, with one seed: scored by the seed that chose them."""
    for passes, control in ((2.0, ", controls: [equal-passes]}"), (1.0, "]}}")):
        tried = [way("attack", {0: 0.91 + e / 1e3}, epsilon=e, passes=passes) for e in (1.0, 2.0, 3.0)]
        text = verdict(way("baseline", {0: 0.9}), *tried).next.text
        assert text.startswith("score it on seeds that did not choose it")
        assert control in text
        assert ("equal-passes" in text) == (passes > 1)
