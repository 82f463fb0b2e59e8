"""The methods that fresh seeds score beside the one that validation chooses, in a sentence."""

from analysis.notation import listed
from analysis.questions.answers import paired
from analysis.questions.arms import Arm
from analysis.questions.conclusion import Conclusion
from analysis.questions.gains import gain_text
from analysis.scoring import FRESH

_FEW = 4


def also_confirmed(verdict: Conclusion) -> str:
    """What each gains over plain training, of as many passes where that shares a seed; "" if there is none.

    Intervals are not corrected: the answer is about the method that validation chooses.
    """
    methods = [arm for arm in verdict.arms if not (arm.control or arm.is_baseline or arm.is_chosen)]
    confirmed = [arm for arm in methods if arm.over_baseline.n and arm.over_baseline.scored_on == FRESH]
    if not confirmed:
        return ""
    told = [_told(arm, verdict) for arm in confirmed[:_FEW]]
    left = len(confirmed) - _FEW
    return f"Also confirmed: {listed([*told, f'{left} more'] if left > 0 else told)}."


def _told(arm: Arm, verdict: Conclusion) -> str:
    dear = [each for each in verdict.arms if each.is_plain and each.costs_as_much_as(arm)]
    found = next(
        ((each, over) for each in dear if (over := paired(arm.results, each.results, FRESH)).n), None
    )
    if found is None:
        gain = gain_text(arm.over_baseline, verdict.metric, "over plain training")
    else:
        passes = "" if found[0].is_baseline else " with as many passes"
        gain = gain_text(found[1], verdict.metric, f"over plain training{passes}")
    return f"{arm.configuration}, {gain}"
