"""How a gain is said: its size with interval and unit, over what, and on which seeds."""

from analysis.notation import values_or_interval
from analysis.questions.answers import Effect
from analysis.records import Metric
from analysis.scoring import FLATTERED, FRESH, HELD_OUT, TIERS


def gain_text(effect: Effect, metric: Metric, over: str = "") -> str:
    """``+1.02 [+0.31, +1.73] points (n = 10 seeds)``.

    Args:
        effect: The gain.
        metric: What it is of.
        over: What it is a gain over, as in ``over plain training``.
    """
    gain = points_text(effect, metric)
    return f"{gain} {over} ({_seeds(effect)})" if over else f"{gain} ({_seeds(effect)})"


def points_text(effect: Effect, metric: Metric) -> str:
    """``+1.02 [+0.31, +1.73] points``; of two seeds both values instead of the interval.

    Points are of accuracy; any other metric is named: ``+2.4 [+1.1, +3.7] gain in RMSE``.
    """
    numbers = (effect.gain, effect.low, effect.high, effect.n, effect.sd)
    named = metric.name.removeprefix("test ")
    if not metric.is_fraction:
        unit = f"{'' if metric.larger_is_better else ' gain'} in {named}"
    else:
        unit = " points" if metric.column in ("test_accuracy", "valid_accuracy") else f" points of {named}"
    return f"{values_or_interval(*numbers, metric, signed=True)}{unit}"


def _seeds(effect: Effect) -> str:
    seeds = "seed" if effect.n == 1 else "seeds"
    if effect.scored_on == FRESH:
        return f"n = {effect.n} fresh {seeds}"
    if effect.scored_on == HELD_OUT:
        return f"n = {effect.n} {seeds}, each scored by what the others choose"
    if TIERS.get(effect.scored_on) == FLATTERED:
        return f"n = {effect.n} {seeds} that chose it, which flatters it"
    return f"n = {effect.n} {seeds}"
