"""A contest in sentences that stand alone, for page, terminal and MLflow."""

import math

from analysis.notation import listed, number, p_value, seeds_text
from analysis.questions.answers import Effect, Outcome
from analysis.questions.awaited import Awaited
from analysis.questions.contest import Credit, Met
from analysis.questions.controls import MEANING
from analysis.questions.entrants import Entrant
from analysis.questions.gains import gain_text, points_text
from analysis.questions.next_step import NextStep
from analysis.questions.telling import next_text
from analysis.records import Metric
from analysis.statistics import ALPHA

_SAME_COST = 0.01
"""Passes that differ by at most this part are as many: whole epochs rarely make the very same number."""


def contest_told(met: Met, step: NextStep) -> list[tuple[str, str]]:
    """Headings and sentences, in the order of what matters."""
    lines = [("Primary contrast", _contrast(met)), ("Who met", _who(met)), ("All arms", _others(met))]
    if met.controls:
        lines.append(("Mechanism", _mechanism(met)))
    if len(met.contender.targets_tried) > 1:
        lines.append(("Layers", _layers(met.contender)))
    return [
        *lines,
        ("Next", next_text(step)),
    ]


def _contrast(met: Met) -> str:
    found, ours, theirs = met.contrast, met.contender.arm, met.rival.arm
    if not found.effect.n:
        return f"Not tested: {ours} and {theirs} share no fresh seed."
    gain = gain_text(found.effect, met.metric)
    margin = _amount(met.scale.margin, met.metric)
    tests = f"p = {p_value(found.effect.p)}"
    if found.outcome in (Outcome.ALIKE, Outcome.UNDECIDED):
        tests += f"; equivalence within ±{margin}: p = {p_value(found.equivalence)}"
    tests = tests.replace("= <", "<")
    crossed = ""
    if not math.isnan(found.crossed[0]):
        ends = (number(end * met.metric.scale, met.metric.decimals, signed=True) for end in found.crossed)
        crossed = f" Over seeds and test examples: [{', '.join(ends)}]."
    is_difference = met.metric.larger_is_better
    difference = f"{ours} − {theirs} = {gain}" if is_difference else f"{ours} over {theirs}, {gain}"
    opening = {
        Outcome.HELPS: f"It helps{_cost(met)}{_whose(met)}:",
        Outcome.HARMS: f"It harms{_cost(met)}:",
        Outcome.ALIKE: f"There is no difference that matters{_cost(met)}:",
        Outcome.UNDECIDED: f"Undecided{_cost(met)}:",
    }[found.outcome]
    if found.outcome is Outcome.UNDECIDED and found.effect.p < ALPHA:
        better = "better" if found.effect.gain > 0 else "worse"
        opening = f"It is {better}{_cost(met)}; whether by more than {margin} is undecided:"
    fewer = ""
    if found.effect.n < met.seeds:
        fewer = f"On {found.effect.n} of {met.seeds} fresh seeds, as trials of the others failed: "
        opening = f"{opening[0].lower()}{opening[1:]}"
    return f"{fewer}{opening} {difference}; {tests}.{crossed}"


def _whose(met: Met) -> str:
    """What part the attack has in a gain."""
    part = met.credit_of_gain
    return "" if part is None else f", {'and' if part is Credit.SHOWN else 'but'} {part}"


def _cost(met: Met) -> str:
    ours, theirs = met.contender.passes, met.rival.passes
    if math.isclose(ours, theirs, rel_tol=_SAME_COST):
        return " at equal passes"
    return f" at {ours:.3g} passes against {theirs:.3g}"


def _who(met: Met) -> str:
    by = "by validation on the searched seeds"
    return f"Who met: {_named(met.contender)} and {_named(met.rival)}, each the best of its side {by}."


def _named(entrant: Entrant) -> str:
    return f"{entrant.arm} ({entrant.configuration})"


def _others(met: Met) -> str:
    """Which arm has the best mean, on as many seeds as met, and which arms the contender beats."""
    scored = [e for e in met.entrants if e.n and e.n >= met.contrast.effect.n]
    best = max(scored, key=lambda e: e.mean * met.metric.sign)
    which = "highest" if met.metric.larger_is_better else "lowest"
    text = f"All arms: {best.arm} has the {which} mean on fresh seeds, {_level(best.mean, met.metric)}."
    beaten, beating, alike = (_split(met, sign) for sign in (1, -1, 0))
    parts = [f"better than {listed(beaten)}"] if beaten else []
    parts += [f"worse than {listed(beating)}"] if beating else []
    parts += [f"not shown to differ from {listed(alike)}"] if alike else []
    if not parts:
        return text
    family = f"Holm's correction over {len(met.over)}"
    return f"{text} Apart from {met.rival.arm}, {met.contender.arm} is {', '.join(parts)} ({family})."


def _split(met: Met, sign: int) -> list[str]:
    others = ((arm, effect) for arm, effect in met.over.items() if arm != met.rival.arm)
    return [arm for arm, effect in others if effect.n and _direction(effect) == sign]


def _level(value: float, metric: Metric) -> str:
    unit = " %" if metric.is_fraction else ""
    return f"{number(value * metric.scale, metric.decimals)}{unit}"


def _direction(effect: Effect) -> int:
    return 0 if not effect.p < ALPHA else 1 if effect.gain > 0 else -1


def _mechanism(met: Met) -> str:
    """How the contender compares with each of its controls, with as many seeds unless they are named."""
    groups: dict[str, list[str]] = {"better than": [], "worse than": [], "not shown to differ from": []}
    for control, effect in met.over_controls.items():
        if not effect.n:
            continue
        text = points_text if effect.n == met.contrast.effect.n else gain_text
        known = {1: "better than", 0: "not shown to differ from", -1: "worse than"}[_direction(effect)]
        groups[known].append(f"{control} ({text(effect, met.metric)}: {MEANING[control]})")
    told = "; ".join(f"{known} {listed(each)}" for known, each in groups.items() if each)
    return f"Mechanism: {met.contender.arm} is {told}." if told else "Mechanism: no control has run."


def _layers(contender: Entrant) -> str:
    """Which target set validation chose; no other meets fresh seeds."""
    count = len(contender.targets_tried)
    return (
        f"Layers: of the {count} target sets that {contender.arm} tried, validation chose "
        f"{contender.targets}; no other was confirmed."
    )


def _amount(value: float, metric: Metric) -> str:
    unit = " points" if metric.is_fraction else ""
    return f"{number(value * metric.scale, metric.decimals)}{unit}"


def awaited_told(found: Awaited, step: NextStep) -> list[tuple[str, str]]:
    """Headings and sentences, in the order of what matters."""
    return [("Primary contrast", _to_come(found)), ("All arms", _leading(found)), ("Next", next_text(step))]


def _to_come(found: Awaited) -> str:
    """What will be compared."""
    if found.ended >= found.seeds:
        return f"Not tested: of {listed(found.sides)} one has no result, as its trials on fresh seeds failed."
    if found.ended:
        return (
            f"Not tested yet: {listed(found.sides)} have ended on {found.ended} of {found.seeds} fresh "
            "seeds. They are compared once, when all have: of several looks one shows a difference too often."
        )
    best = f"the best of {listed(found.arms)}" if len(found.arms) > 1 else found.arms[0]
    return (
        f"Not tested yet: {best} will meet the best of the other arms on {found.seeds} fresh "
        f"seed{'s' * (found.seeds != 1)}."
    )


def _leading(found: Awaited) -> str:
    """Who leads on validation."""
    if not found.ranked:
        return "All arms: none has a result."
    metric = found.metric
    scores = [
        f"{each.arm} {_level(each.chosen_by, metric)} ({seeds_text(each.searched)})" for each in found.ranked
    ]
    missing = f" Without a result: {listed(found.missing)}." if found.missing else ""
    return (
        f"All arms: the best {metric.name} so far, by the runs that chose it: {', '.join(scores)}.{missing}"
    )
