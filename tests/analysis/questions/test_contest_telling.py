"""What a contest of arms says: in its answer, its next step and its first screen."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.questions.contest import contests
from analysis.questions.next_step import NextStep
from analysis.questions.verdict import verdicts
from analysis.records import Records
from analysis.report import sections
from tests.analysis.questions.test_contest import FRESH, contest_records
from tests.analysis.test_conditional_power import filled_up


def test_it_is_the_answer_of_the_verdict_and_a_section_of_the_report() -> None:
    records = contest_records(0.01, controls={"eps-zero": 0.01})
    (verdict,) = verdicts(records)
    lines = dict(verdict.headed_lines())
    assert lines["Primary contrast"].startswith("It helps at 30 passes against 60, and the attack has")
    assert "n = 12 fresh seeds" in lines["Primary contrast"]
    assert "eps-zero" in lines["Mechanism"]
    assert verdict.to_dict()["contest"]["outcome"] == "helps"
    use = verdict.to_dict()["use"]
    assert (use["family"], use["passes"], use["n"]) == ("layers", 1.0, FRESH)
    assert use["why"] == "shown to be better than the best of the other side"
    first, second = sections(records)[:2]
    assert (first.name, second.name) == ("verdict", "contest")
    assert [part.name for part in first.parts] == ["contest-w"]
    assert [part.name for part in second.parts] == ["arms-w", "mechanism-w"]


@pytest.mark.parametrize(
    ("less", "spread", "told"),
    [
        (0.01, 0.002, ", and the attack has a part in it:"),
        (-0.01, 0.002, ", but without its attack it is better:"),
        (0.0, 0.002, ", but its attack makes no difference that matters:"),
        (0.0, 0.01, ", but the attack is not shown to have a part in it:"),
        (None, 0.002, ":"),
    ],
)
def test_what_part_the_attack_has_is_said_with_the_gain(less: float | None, spread: float, told: str) -> None:
    """Training without it is worse, better, alike, not shown to be either, and no control of this method."""
    controls = {} if less is None else {"eps-zero": less}
    (verdict,) = verdicts(contest_records(0.03, spread, controls=controls))
    assert verdict.lines()[0].startswith(f"It helps at 30 passes against 60{told} layers − sam")
    found = verdict.to_dict()["contest"]["attack"]
    assert found == (None if less is None else told.rstrip(":").removeprefix(", and ").removeprefix(", but "))


def test_a_loss_is_nobodys_gain() -> None:
    (verdict,) = verdicts(contest_records(-0.01, controls={"eps-zero": 0.01}))
    assert verdict.lines()[0].startswith("It harms at 30 passes against 60: layers − sam")
    assert verdict.to_dict()["contest"]["attack"] is None


def test_where_less_is_better_the_control_has_to_have_more() -> None:
    """Losses are one minus the accuracies, so that all comparisons are the same."""
    records = contest_records(0.03, controls={"eps-zero": 0.01})
    trials = records.trials.assign(test_loss=1 - records.trials["test_accuracy"])
    trials["value"] = 1 - trials["value"]
    lines = dict(verdicts(_of_losses(trials, records))[0].headed_lines())
    assert ", and the attack has a part in it: layers over sam, +" in lines["Primary contrast"]
    assert "All arms: layers has the lowest mean on fresh seeds" in lines["All arms"]
    trials.loc[trials["control"] == "eps-zero", "test_loss"] -= 0.02
    lines = dict(verdicts(_of_losses(trials, records))[0].headed_lines())
    assert ", but without its attack it is better: " in lines["Primary contrast"]


def _of_losses(trials: pd.DataFrame, records: Records) -> Records:
    return Records(trials.drop(columns="test_accuracy"), sweep=records.sweep, select="valid_loss", mode="min")


def test_the_control_without_attack_counts_once_it_has_all_seeds() -> None:
    """A seed whose trial failed leaves it untested; trying again is then the next step."""
    records = contest_records(0.01, controls={"eps-zero": 0.01})
    missing = (records.trials["control"] == "eps-zero") & (records.trials["seed"] == 103)
    asked = _with_controls(records, ["eps-zero"])
    for state, command in (("running", "dropattack run s"), ("failed", "dropattack run s --retry-failed")):
        trials = records.trials.assign(
            state=records.trials["state"].mask(missing, state),
            control=np.where(records.trials["method"] == "dropattack", "none", None),
        )
        trials["control"] = trials["control"].mask(records.trials["control"] == "eps-zero", "eps-zero")
        (verdict,) = verdicts(Records(trials, sweep=asked))
        assert ", but whether the attack has a part in it is not tested:" in verdict.lines()[0]
        assert verdict.contest is not None
        assert verdict.contest.over_controls["eps-zero"].n == FRESH - 1
        assert "whose control eps-zero has 11 of 12 seeds" in verdict.next.text
        assert verdict.next.command == command


def _with_controls(records: Records, controls: list[str]) -> dict[str, Any]:
    *before, confirm = records.sweep["stages"]
    search = {**confirm["search"], "controls": controls}
    return {**records.sweep, "stages": [*before, {**confirm, "search": search}]}


def test_the_arm_that_leads_on_fresh_seeds_is_named_though_it_did_not_meet() -> None:
    """Validation prefers sam; on fresh seeds plain training is better than both that met."""
    records = contest_records(0.0, 0.001)
    trials = records.trials.copy()
    plain = (trials["stage"] == "confirm") & (trials["method"] == "standard")
    trials.loc[plain, ["value", "test_accuracy"]] += 0.05
    (verdict,) = verdicts(Records(trials, sweep=records.sweep))
    mean = trials.loc[plain, "test_accuracy"].mean()
    assert dict(verdict.headed_lines())["All arms"] == (
        f"All arms: standard has the highest mean on fresh seeds, {100 * mean:.2f} %. Apart from sam, layers "
        "is better than input, worse than standard (Holm's correction over 3)."
    )


def test_controls_are_told_by_what_they_show_with_their_seeds_where_these_are_others() -> None:
    records = contest_records(0.01, controls={"eps-zero": 0.01, "p-one": 0.0, "random-direction": 0.02})
    missing = (records.trials["control"] == "random-direction") & (records.trials["seed"] > 104)
    (verdict,) = verdicts(Records(records.trials[~missing], sweep=records.sweep))
    over = contests(Records(records.trials[~missing], sweep=records.sweep))["w"].over_controls

    def gain(control: str) -> str:
        found = over[control]
        ends = " ".join(f"{100 * end:+.2f}," for end in (found.low, found.high)).rstrip(",")
        return f"{100 * found.gain:+.2f} [{ends}] points".replace("-", "\N{MINUS SIGN}").replace(
            "+0.00 ", "0.00 "
        )

    untouched, noise, unmasked = map(gain, ("eps-zero", "random-direction", "p-one"))
    assert dict(verdict.headed_lines())["Mechanism"] == (
        f"Mechanism: layers is better than eps-zero ({untouched}: all passes, no perturbation (ε = 0)) and "
        f"random-direction ({noise} (n = 5 fresh seeds): the same size in a random direction); not shown to "
        f"differ from p-one ({unmasked}: no mask (p = 1) at the same mean rise of the loss (ε′ = pε))."
    )


def test_the_seeds_that_would_show_the_attacks_part_pass_the_correction_over_controls() -> None:
    unsure = contest_records(0.03, 0.01, controls={"eps-zero": 0.003, "p-one": 0.0})
    found = contests(unsure)["w"].over_controls["eps-zero"]
    step = _next(unsure)
    samples = filled_up(np.asarray(found.values), step.seeds, 4000)
    shown = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05 / 2
    bounds = [(0.003, "less"), (-0.003, "greater")]
    alike = [stats.ttest_1samp(samples, m, axis=1, alternative=a).pvalue < 0.05 for m, a in bounds]
    assert 0.77 < np.mean(shown | (alike[0] & alike[1])) < 0.83
    assert f"{step.seeds} seeds" in step.text


def test_no_seeds_are_asked_for_where_the_attack_is_shown_to_add_nothing() -> None:
    """By a significant loss, by equivalence, where it is shown to add, and where it is behind so far."""
    for less, spread in ((-0.01, 0.002), (0.0, 0.002), (0.01, 0.002)):
        step = _next(contest_records(0.03, spread, controls={"eps-zero": less}))
        assert (step.text, step.command) == ("nothing more is needed to answer this", "")
    behind = _next(contest_records(0.03, 0.01, controls={"eps-zero": -0.003}))
    assert behind.text == "stop here: more seeds are not likely to show that the attack has a part in it"


def test_the_control_that_is_missing_comes_next_where_the_method_has_it() -> None:
    without = contest_records(0.01)
    for controls in ([], ["eps-zero"]):
        asked = Records(without.trials, sweep=_with_controls(without, controls))
        assert _next(asked).text == "nothing more is needed to answer this", "a method without controls"
    own = np.where(without.trials["method"] == "dropattack", "none", None)
    attacks = without.trials.assign(control=own)
    step = _next(Records(attacks, sweep=without.sweep))
    assert step.command == "dropattack run s --set 'stages.confirm.search.controls=[eps-zero]'"
    step = _next(Records(attacks, sweep=_with_controls(without, ["p-one"])))
    assert step.command == "dropattack run s --set 'stages.confirm.search.controls=[p-one, eps-zero]'"


def test_the_stage_of_the_arms_is_the_one_that_goes_on() -> None:
    """A plain confirmation before it is another."""
    records = contest_records(-0.006, 0.012)
    earlier = {"name": "earlier", "search": {"kind": "confirm", "seeds": [50, 51]}}
    sweep = {**records.sweep, "stages": [earlier, *records.sweep["stages"]]}
    step = _next(Records(records.trials, sweep=sweep))
    assert "--set 'stages.confirm.search.seeds={low: 100, high: " in step.command


def test_an_arm_with_a_lucky_seed_does_not_lead() -> None:
    records = contest_records(0.03)
    trials = records.trials.copy()
    plain = (trials["stage"] == "confirm") & (trials["method"] == "standard")
    trials.loc[plain, ["value", "test_accuracy"]] += 0.09
    (verdict,) = verdicts(Records(trials[~plain | (trials["seed"] == 100)], sweep=records.sweep))
    assert "All arms: layers has the highest mean" in dict(verdict.headed_lines())["All arms"]


def _next(records: Records) -> NextStep:
    (verdict,) = verdicts(records)
    return verdict.next
