"""What to use: the cheapest way to train that the best one is not shown to beat."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.questions.answers import NO_EFFECT, Effect, Outcome, Scale, answer
from analysis.questions.arms import SAME_COST, Arm, Compared
from analysis.questions.awaited import Awaited
from analysis.questions.contest import Met
from analysis.questions.entrants import Entrant
from analysis.scoring import FLATTERED, FRESH, TIERS
from analysis.statistics import ALPHA, estimate


class Why(StrEnum):
    """Why something is recommended."""

    BETTER = "shown to be better than plain training"
    CHEAPER = "as good as what costs more, as far as is known"
    UNSHOWN = "nothing is shown to be better by a difference that matters"
    KEEPS = "plain training does not keep to the constraints"
    ALONE = "there is no plain training with its settings to compare with"
    WON = "shown to be better than the best of the other side"
    LEADS = "the best on validation so far; the two sides have not met"
    EVEN = "not shown to be worse by what matters than what it met, and it costs no more"


@dataclass(frozen=True)
class Recommendation:
    """What to use.

    Attributes:
        arm: How to train.
        why: Why that.
        lost: The method that validation chose, where it lost to plain training on fresh seeds.
        best_of: Among how many configurations the method is the best by the very runs that score it; 0 where
            it was scored otherwise.
    """

    arm: Arm
    why: Why
    lost: Effect | None = None
    best_of: int = 0


def recommend(compared: Compared, scale: Scale) -> Recommendation | None:
    """What to use in a workload; nothing where there is neither plain training nor a method.

    Candidates are plain training and what helps beside it, by a difference that matters, or is better than a
    method that does. The best of them is the one of largest gain. What costs no more and is not shown to be
    worse than that is preferred, the cheapest first and of equals plain training. What does not keep to the
    constraints of a sweep is recommended where plain training and the method do not either. So what lost to
    plain training, or is not told apart from it, is never recommended beside it.
    """
    baseline, method = compared.baseline, compared.method
    if baseline is None:
        return None if method is None else Recommendation(method, Why.ALONE, best_of=_best_of(compared))
    if method is not None and method.keeps and not baseline.keeps:
        return Recommendation(method, Why.KEEPS, best_of=_best_of(compared))
    shown = [arm for arm in compared.arms if answer(arm.over_baseline, scale).outcome is Outcome.HELPS]
    if method in shown:
        shown += [arm for arm in compared.arms if arm not in shown and _beats_method(arm)]
    lost = method.over_baseline if method is not None and _lost(method.over_baseline) else None
    best_of = _best_of(compared)
    shown = [arm for arm in shown if arm.keeps or not baseline.keeps]
    if not shown:
        return Recommendation(baseline, Why.UNSHOWN, lost, best_of)
    leader = max(shown, key=lambda arm: arm.over_baseline.gain)
    arm = _cheapest(leader, shown)
    return Recommendation(arm, Why.BETTER if arm is leader else Why.CHEAPER, lost, best_of)


def recommend_of_contest(met: Met, passes: Mapping[str, float]) -> Recommendation:
    """What to use where arms meet: what is shown to be better by a difference that matters, else the cheaper.

    Where both cost as much, it is the arm that is not in question.

    Args:
        met: The contest.
        passes: Passes an epoch, by configuration.
    """
    ours, theirs = met.contender, met.rival
    won = {Outcome.HELPS: ours, Outcome.HARMS: theirs}.get(met.contrast.outcome)
    entrant = won or (ours if ours.passes < theirs.passes * (1 - SAME_COST) else theirs)
    return Recommendation(_arm(entrant, passes), Why.WON if won else Why.EVEN)


def recommend_before(found: Awaited, passes: Mapping[str, float]) -> Recommendation | None:
    """What to use before arms have met: the one that leads on validation; nothing where none has a result.

    Fresh seeds that it has by then are not looked at.

    Args:
        found: The contest.
        passes: Passes an epoch, by configuration.
    """
    if not found.ranked:
        return None
    nothing = math.nan
    leader = replace(found.ranked[0], n=0, mean=nothing, low=nothing, high=nothing, results={})
    return Recommendation(_arm(leader, passes), Why.LEADS)


def _arm(entrant: Entrant, passes: Mapping[str, float]) -> Arm:
    return Arm(
        family=entrant.arm,
        control="",
        configuration=entrant.configuration,
        identity=entrant.identity,
        passes=passes[entrant.identity],
        epochs=entrant.passes / passes[entrant.identity],
        total=entrant.passes,
        cost=1.0,
        n=entrant.n,
        mean=entrant.mean,
        low=entrant.low,
        high=entrant.high,
        over_baseline=NO_EFFECT,
        method_over=NO_EFFECT,
        alike=False,
        results=entrant.results,
        is_baseline=False,
        is_chosen=False,
    )


def _beats_method(control: Arm) -> bool:
    return control.over_baseline.gain > 0 and control.method_over.gain < 0 and control.method_over.p < ALPHA


def _lost(effect: Effect) -> bool:
    return effect.scored_on == FRESH and effect.n > 0 and effect.gain < 0


def _best_of(compared: Compared) -> int:
    method, chosen = compared.method, compared.chosen
    flattered = method is not None and TIERS.get(method.over_baseline.scored_on) == FLATTERED
    return chosen.candidates if flattered and chosen is not None else 0


def _cheapest(leader: Arm, shown: Sequence[Arm]) -> Arm:
    """Of what is better than plain training the cheapest that the leader does not beat."""

    def rank(arm: Arm) -> tuple[float, bool, bool, bool]:
        return round(arm.cost, 1), not arm.is_plain, bool(arm.control), arm is not leader

    rivals = [arm for arm in shown if arm.cost <= leader.cost or arm.costs_as_much_as(leader)]
    return min((arm for arm in rivals if not _beats(leader, arm)), key=rank, default=leader)


def _beats(leader: Arm, other: Arm) -> bool:
    """Whether a paired t test tells the leader from another; where they share too few seeds, by gains."""
    if other is leader:
        return False
    if other.is_chosen and leader.method_over.n and leader.alike:
        return leader.method_over.p < ALPHA and leader.method_over.gain < 0
    shared = sorted(leader.results.keys() & other.results.keys())
    found = estimate([leader.results[seed] - other.results[seed] for seed in shared])
    if found.n:
        return found.p < ALPHA and found.mean > 0
    return leader.over_baseline.low > other.over_baseline.high
