"""What a contest of arms says: in its answer, its next step and its first screen."""

import numpy as np
import pytest
from scipy import stats

from analysis.questions.contest import contests
from analysis.questions.next_step import NextStep
from analysis.questions.verdict import verdicts
from analysis.records import Records
from analysis.report import sections
from tests.analysis.questions.test_contest import FRESH, contest_records


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
    ("less", "told", "credited"),
    [
        (0.01, ", and the attack has a part in it:", True),
        (0.0, ", but the attack is not shown to have a part in it:", False),
        (-0.01, ", but the attack is not shown to have a part in it:", False),
        (None, ":", None),
    ],
)
def test_help_is_the_attacks_only_if_training_without_it_is_worse(
    less: float | None, told: str, credited: bool | None
) -> None:
    """Worse by as much, not at all, better, and without that control."""
    (verdict,) = verdicts(contest_records(0.01, controls={} if less is None else {"eps-zero": less}))
    assert verdict.lines()[0].startswith(f"It helps at 30 passes against 60{told} layers − sam")
    assert verdict.to_dict()["contest"]["credited_to_attack"] is credited


def test_a_loss_is_nobodys_gain() -> None:
    (verdict,) = verdicts(contest_records(-0.01, controls={"eps-zero": 0.01}))
    assert verdict.lines()[0].startswith("It harms at 30 passes against 60: layers − sam")


def test_the_control_without_attack_counts_once_it_has_all_seeds() -> None:
    records = contest_records(0.01, controls={"eps-zero": 0.01})
    missing = (records.trials.get("control") == "eps-zero") & (records.trials["seed"] == 103)
    (met,) = contests(Records(records.trials[~missing], sweep=records.sweep)).values()
    assert (met.over_controls["eps-zero"].n, met.over_untouched, met.credited) == (FRESH - 1, None, False)


def test_the_arm_that_leads_on_fresh_seeds_is_named_though_it_did_not_meet() -> None:
    """Validation prefers sam; on fresh seeds plain training is better than both that met."""
    records = contest_records(0.0, 0.001)
    trials = records.trials.copy()
    plain = (trials["stage"] == "confirm") & (trials["method"] == "standard")
    trials.loc[plain, ["value", "test_accuracy"]] += 0.05
    (verdict,) = verdicts(Records(trials, sweep=records.sweep))
    mean = trials.loc[plain, "test_accuracy"].mean()
    assert dict(verdict.headed_lines())["All arms"] == (
        f"All arms: standard has the highest mean on fresh seeds, {100 * mean:.2f} %. Beside sam, layers is "
        "better than input, worse than standard (Holm's correction over 3)."
    )


def test_what_would_show_whether_a_gain_is_the_attacks_comes_next() -> None:
    """More seeds; the control, where the method has one; nothing, where it has none or has its gain."""
    unsure = contest_records(0.01, controls={"eps-zero": 0.001})
    assert "which would probably show whether the attack is the reason" in _next(unsure).text
    sd = contests(unsure)["w"].over_controls["eps-zero"].sd
    power = [stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, 0.003 / sd * n**0.5) for n in range(2, 99)]
    assert _next(unsure).seeds == max(2 + int(np.argmax(np.array(power) >= 0.8)), FRESH + 1)
    without = contest_records(0.01)
    assert _next(without).text == "nothing more is needed to answer this"
    attacks = without.trials.assign(control=np.where(without.trials["method"] == "dropattack", "none", None))
    added = _next(Records(attacks, sweep=without.sweep))
    assert added.command.endswith("--set 'stages.confirm.search.controls=[eps-zero]'")
    asked = {**without.sweep, "stages": [*without.sweep["stages"]]}
    asked["stages"][-1] = {
        "name": "confirm",
        "search": {**asked["stages"][-1]["search"], "controls": ["eps-zero", "p-one"]},
    }
    assert "control eps-zero has 0 of 12 seeds" in _next(Records(attacks, sweep=asked)).text
    credited = contest_records(0.01, controls={"eps-zero": 0.01})
    assert _next(credited).text == "nothing more is needed to answer this"


def _next(records: Records) -> NextStep:
    (verdict,) = verdicts(records)
    return verdict.next
