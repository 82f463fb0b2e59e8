"""A verdict in sentences: a few lines that stand alone, for page, terminal and MLflow."""

import math

from analysis.notation import listed, number, seeds_text
from analysis.questions.also_confirmed import also_confirmed
from analysis.questions.answers import Answer, Effect, Outcome
from analysis.questions.arms import SAME_COST, Arm
from analysis.questions.by_size import sizes_text
from analysis.questions.conclusion import Conclusion
from analysis.questions.controls import MEANING, PLAIN
from analysis.questions.gains import gain_text
from analysis.questions.next_step import NextStep
from analysis.questions.recommendation import Recommendation, Why
from analysis.questions.robustness import CLEAN
from analysis.questions.withstanding import Withstood
from analysis.records import Metric
from analysis.scoring import FLATTERED, FRESH, TIERS
from analysis.statistics import ALPHA, FEWEST

_FEW_NAMES = 4
_SAME_PASSES = "plain training with as many passes"


def told(verdict: Conclusion) -> list[tuple[str, str]]:
    """Headings and sentences, in the order of what matters."""
    effects = (verdict.equal_cost.effect, verdict.equal_epochs.effect)
    on_fresh = any(effect.scored_on == FRESH for effect in effects)
    sizes = sizes_text(verdict.other_sizes, verdict.examples, verdict.metric, on_fresh)
    return [
        ("Equal cost", _equal_cost(verdict)),
        ("Equal epochs", _equal_epochs(verdict)),
        *([("Examples", sizes)] if verdict.other_sizes else []),
        *([("Others", others)] if (others := also_confirmed(verdict)) else []),
        ("What to use", _use(verdict)),
        ("Layers", _layers(verdict)),
        ("Next", next_text(verdict.next)),
    ]


def withstood_text(found: Withstood) -> str:
    """What the strongest attack leaves, as a sentence."""
    attack = f"Under attack: {found.attack} at ε {found.epsilon:g} leaves"
    if found.most is None:
        return f"{attack} no number to believe: all gradients look masked."
    left_out = f"; {', '.join(found.masked)} left out, as gradients look masked" if found.masked else ""
    if found.plain is None:
        return f"{attack} {found.most.text}, the most{left_out}."
    gain = gain_text(found.gain, CLEAN, "over plain training")
    doubt = "" if found.gain.p < ALPHA else ", which may be luck"
    return f"{attack} {found.most.text} and {found.plain.text}: {gain}{doubt}{left_out}."


def next_text(step: NextStep) -> str:
    """What to do next, as a sentence, with its command."""
    return f"Next: {step.text}: `{step.command}`" if step.command else f"Next: {step.text}."


def _turned(effect: Effect) -> Effect:
    """The same difference, told of the other one."""
    values = tuple(-value for value in effect.values)
    ends = (-effect.high, -effect.low)
    return Effect(effect.n, -effect.gain, *ends, effect.sd, effect.p, values, effect.scored_on)


def _equal_cost(verdict: Conclusion) -> str:
    found, control = verdict.equal_cost, verdict.cost_control
    if verdict.method is None:
        return "Not tested at equal cost: no attack has a complete trial."
    if found.outcome is Outcome.UNTESTED or control is None:
        return _beaten(verdict) + f"Not tested at equal cost: {_untested(verdict, verdict.method)}."
    plain = "plain training" if control.is_baseline else _SAME_PASSES
    twin = control.alike and control.configuration != verdict.method.configuration and not control.is_baseline
    where = f", measured with {control.configuration}" if twin else ""
    if found.outcome is Outcome.HARMS:
        gain, name = gain_text(_turned(found.effect), verdict.metric), verdict.method.family
        harms = f"At equal cost {name} harms: {plain} is better by {gain}{where}."
        return f"{harms}{_unspent(verdict, control)}"
    over = f"over {plain}{where}"
    return _beaten(verdict) + f"At equal cost {_outcome(found, verdict, over)}.{_unspent(verdict, control)}"


def _unspent(verdict: Conclusion, control: Arm) -> str:
    """How many passes of a budget the method leaves, where these are too few for an epoch."""
    method = verdict.method
    if method is None or not control.is_baseline or math.isnan(method.epochs):
        return ""
    few = method.total < control.total * (1 - SAME_COST)
    took = f"{method.total:.4g} of {control.total:.4g} passes"
    return f" It takes {took}, as another epoch does not fit." if few else ""


def _untested(verdict: Conclusion, method: Arm) -> str:
    """Why nothing is known at equal cost."""
    if method.costs_nothing:
        return _no_baseline(verdict)
    baseline = verdict.baseline
    if baseline is not None and method.misses_budget:
        return f"its whole epochs take {method.total:.4g} passes, and the budget is {baseline.total:.4g}"
    if verdict.plain_lacks:
        return _no_baseline(verdict)
    ran = [arm for arm in verdict.arms if arm.control in PLAIN]
    other = [arm for arm in ran if not arm.costs_as_much_as(method)]
    if other:
        return f"plain training took {_cost(other[0])}, and {method.configuration} takes {method.passes:.3g}"
    return f"{_SAME_PASSES} (equal-passes) {'shares no seed with it' if ran else 'did not run'}"


def _beaten(verdict: Conclusion) -> str:
    """The control beside plain training that beats the method, which then is the first thing said."""
    arm = verdict.beaten_by
    if arm is None:
        return ""
    gain = gain_text(_turned(arm.method_over), verdict.metric)
    return f"Its control {arm.control}, {MEANING[arm.control]}, is better by {gain}. "


def _equal_epochs(verdict: Conclusion) -> str:
    found, method = verdict.equal_epochs, verdict.method
    if method is None:
        return "Not tested at equal epochs: no attack has a complete trial."
    if found.outcome is Outcome.UNTESTED:
        return f"Not tested at equal epochs: {_no_equal_epochs(verdict, method)}."
    if method.costs_nothing:
        return "At equal epochs it is the same comparison: it takes one pass a step, as plain training does."
    outcome = _outcome(found, verdict, "over plain training")
    return f"At equal epochs, and {method.passes:.3g} times the passes, {outcome}."


def _no_equal_epochs(verdict: Conclusion, method: Arm) -> str:
    baseline = verdict.baseline
    if baseline is None or not method.epochs < baseline.epochs:
        return _no_baseline(verdict)
    return f"the budget gives it {method.epochs:.3g} epochs, and plain training {baseline.epochs:.3g}"


def _no_baseline(verdict: Conclusion) -> str:
    """Why the method was not compared with plain training of one pass a step."""
    if verdict.baseline is None and verdict.plain_lacks:
        return f"plain training did not run with its {listed(verdict.plain_lacks)}"
    return f"plain training {'did not run' if verdict.baseline is None else 'shares no seed with it'}"


def _outcome(found: Answer, verdict: Conclusion, over: str) -> str:
    gain, metric = gain_text(found.effect, verdict.metric, over), verdict.metric
    name = "it" if verdict.method is None else verdict.method.family
    if found.outcome is Outcome.ALIKE:
        margin = f"{number(verdict.scale.margin * metric.scale, metric.decimals)}{_unit(metric)}"
        return f"{name} makes no difference that matters (more than {margin}): {gain}"
    if found.outcome is Outcome.UNDECIDED:
        return f"it is undecided whether {name} helps: {gain}{_doubt(found, verdict)}"
    return f"{name} {found.outcome.value}: {gain}"


def _doubt(found: Answer, verdict: Conclusion) -> str:
    """Why nothing is decided, where the interval does not say so itself."""
    effect, metric = found.effect, verdict.metric
    if found.too_coarse:
        step = number(verdict.scale.step * metric.scale, metric.decimals)
        examples = f"{verdict.scale.examples:,.0f} test examples"
        return f"; all seeds are equal, and {examples} cannot show less than {step}{_unit(metric)}"
    if effect.n < FEWEST:
        return f"; {seeds_text(effect.n)} cannot tell it from luck"
    if TIERS.get(effect.scored_on) == FLATTERED:
        return ", so it is not tested"
    if not effect.has_interval:
        return "; all seeds gain the same, so their spread is unknown"
    if effect.p >= ALPHA and not effect.low <= 0 <= effect.high:
        return f"; with so many comparisons this may be luck (Holm's p = {effect.p:.3f})"
    return ""


def _unit(metric: Metric) -> str:
    return " points" if metric.is_fraction else ""


def named(arm: Arm) -> str:
    """What a way to train is called: ``plain training``, a method's settings, or a control of them."""
    if arm.is_baseline:
        return "plain training"
    if arm.is_plain:
        return f"{_SAME_PASSES} ({arm.control})"
    if arm.control:
        return f"the control {arm.control} ({MEANING[arm.control]}) of {arm.configuration}"
    return arm.configuration


def _cost(arm: Arm) -> str:
    return f"{arm.passes:.3g} pass{'es' * (arm.passes != 1)} a step"


def _use(verdict: Conclusion) -> str:
    use = verdict.use
    if use is None:
        return "Nothing to recommend: no candidate has a complete trial."
    use_this = f"Use {named(use.arm)}, {_cost(use.arm)}" + ", for clean accuracy" * bool(verdict.withstood)
    if use.why is Why.ALONE:
        best = f"the best of {use.best_of} by the runs that chose it, and " if use.best_of > 1 else ""
        if verdict.plain_lacks:
            return f"{use_this}: {best}{_no_baseline(verdict)}, so there is nothing to compare it with."
        return f"{use_this}: {best}there is no plain training to compare it with."
    if use.why is Why.KEEPS:
        return f"{use_this}: it keeps to the constraints, and plain training does not."
    if use.why in (Why.BETTER, Why.CHEAPER):
        gain = gain_text(use.arm.over_baseline, verdict.metric, "over plain training")
        known = "it is shown to be better than plain training" if use.arm.is_chosen else gain
        known += ", and nothing is shown to be better still" * (use.why is Why.CHEAPER)
        if use.arm.is_chosen and not use.arm.costs_nothing and verdict.equal_cost.outcome is Outcome.ALIKE:
            known += f"; {_SAME_PASSES} does as well"
        return f"{use_this}: {known}."
    nothing = "nothing is shown to be better by a difference that matters"
    return f"{use_this}: {nothing}. {_choice(verdict, use)}".strip()


def _choice(verdict: Conclusion, use: Recommendation) -> str:
    """What validation chooses, where that is not recommended, and what is known of it."""
    chosen = verdict.chosen
    if chosen is None:
        return ""
    if use.lost is not None:
        lost = gain_text(use.lost, verdict.metric)
        return f"{chosen.configuration}, which validation chose, gained nothing over plain training: {lost}."
    if use.best_of > 1:
        best = f"the best of {use.best_of} on {seeds_text(chosen.seeds)}"
        return f"{chosen.configuration} is {best}, but not confirmed."
    return f"Validation chooses {chosen.configuration}."


def _layers(verdict: Conclusion) -> str:
    found, metric = verdict.layers, verdict.metric
    if found is None:
        return "Layers: not compared; no method was tried on several target sets."
    head = f"Layers, each with its own {found.tuned}" if found.tuned else "Layers"
    gain = ""
    if not math.isnan(found.gain):
        gain = f" ({number(found.gain * metric.scale, metric.decimals, signed=True)}{_unit(metric)})"
    count = len(found.beaten) + len(found.alike) + 1
    if found.flattered:
        return f"{head}: not compared; the {count} target sets are scored by the runs that chose among them."
    if found.seeds < FEWEST:
        return f"{head}: {seeds_text(found.seeds)} cannot show a difference."
    if count == 1:
        others = f"{found.unscored} other{'s were' if found.unscored > 1 else ' was'} tried"
        return f"{head}: there is nothing to compare; only {found.leader} was confirmed, {others}."
    if not found.beaten:
        return f"{head}: no difference is shown among {count} target sets; {found.leader} leads{gain}."
    if not found.alike:
        others = found.beaten[0] if count == 2 else f"all {count - 1} others"
        return f"{head}: {found.leader}{gain} is better than {others}."
    alike = ", ".join(found.alike[:_FEW_NAMES])
    more = f" and {len(found.alike) - _FEW_NAMES} more" if len(found.alike) > _FEW_NAMES else ""
    beaten = f"better than {len(found.beaten)} of {count - 1} others"
    return f"{head}: {found.leader} leads{gain}, {beaten}; no difference is shown from {alike}{more}."
