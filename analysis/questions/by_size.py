"""What a method gains where it trains on other numbers of examples."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.notation import number
from analysis.pairing import groups
from analysis.questions.answers import Effect
from analysis.records import SIZE, Metric, asked_sizes
from analysis.scoring import FRESH
from analysis.statistics import ALPHA, holm


@dataclass(frozen=True)
class OnExamples:
    """What a method gains on a number of training examples.

    Attributes:
        examples: How many were asked for; infinity for all of the split.
        over_baseline: Its gain over plain training on as many; with n = 0 where that did not run.
    """

    examples: float
    over_baseline: Effect


def alike_but_for_size(settings: pd.DataFrame, setting: float) -> Iterator[tuple[float, float]]:
    """The settings of training that differ from one in nothing but their number of examples, itself too.

    Args:
        settings: ``setting`` (a number), ``workload`` and all settings of training, one row each.
        setting: The one.

    Yields:
        Setting and number of examples, the smallest number first.
    """
    kind = groups(settings, [c for c in settings.columns if c not in ("setting", SIZE)])
    alike = settings[kind == kind[settings["setting"] == setting].iloc[0]]
    found = alike.assign(examples=asked_sizes(alike)).sort_values("examples")
    for each, examples in zip(found["setting"], found["examples"], strict=True):
        yield float(each), float(examples)


def sizes_text(found: Sequence[OnExamples], examples: float, metric: Metric, on_fresh: bool) -> str:
    """What a method gains on each number of examples, as a sentence or two.

    Holm's method corrects over the numbers of examples.

    Args:
        found: The other numbers of examples.
        examples: The one that the answer is of.
        metric: What gains are of.
        on_fresh: Whether fresh seeds score the answer.
    """
    known = [each for each in found if each.over_baseline.n]
    unknown = [_examples(each.examples) for each in found if not each.over_baseline.n]
    here = f"Examples: this answer is of training on {_examples(examples)}"
    if not known:
        return f"{here}; on other numbers of examples there is no pair with plain training."
    gains = [number(each.over_baseline.gain * metric.scale, metric.decimals, signed=True) for each in known]
    unit = " points" if metric.is_fraction else ""
    listed = [f"{gain} on {_examples(each.examples)}" for gain, each in zip(gains, known, strict=True)]
    listed[0] = listed[0].replace(" on ", f"{unit} on ", 1)
    several = holm([each.over_baseline.p for each in known])
    shown = [_examples(each.examples) for each, p in zip(known, several, strict=True) if p < ALPHA]
    told = "none of these is told from luck"
    if shown:
        told = "all are significant" if len(shown) == len(known) else f"significant on {', '.join(shown)}"
    searched = on_fresh and any(each.over_baseline.scored_on != FRESH for each in known)
    where = ", on seeds that were searched," * searched
    alone = f" On {', '.join(unknown)} there is no pair with plain training." if unknown else ""
    return f"{here}. Over plain training the method gains{where} {', '.join(listed)}: {told}.{alone}"


def _examples(count: float) -> str:
    return "all" if math.isinf(count) else f"{count:,.0f}"
