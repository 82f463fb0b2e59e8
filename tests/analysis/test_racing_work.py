"""A race that keeps count, beside one that looks at all candidates each time; and what a decision costs."""

import math
import statistics
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.racing import Race

_Closed = dict[int, str]


def _due(values: list[list[float]], closed: _Closed, seeds: int, drawing: bool, race: bool) -> list[int]:
    """Who gets another seed, challengers first, by the definition of a race and from the values alone."""
    able = [c for c, own in enumerate(values) if own and c not in closed]
    if not race:
        return [c for c in able if len(values[c]) < seeds]
    if not able:
        return []
    first = max(able, key=lambda c: (len(values[c]), math.fsum(values[c]) / len(values[c]), -c))
    sizes, freedom = [], 0
    for candidate, own in enumerate(values):
        both = list(zip(own, values[first], strict=False))
        if candidate != first and len(both) > 1:
            apart = [value - other for value, other in both]
            mean = math.fsum(apart) / len(apart)
            sizes += [abs(each - mean) * math.sqrt(len(apart) / (len(apart) - 1)) for each in apart]
            freedom += len(apart) - 1

    def has_a_chance(candidate: int) -> bool:
        if not freedom:
            return True
        own, beside = values[candidate], values[first][: len(values[candidate])]
        gain = (math.fsum(own) - math.fsum(beside)) / len(own)
        sd = statistics.median(sizes) * 1.4826 or statistics.fmean(sizes)
        return gain + stats.t.ppf(0.8, max(1, round(0.37 * freedom))) * sd / math.sqrt(len(own)) > 0

    found = [c for c in able if len(values[c]) < len(values[first]) and has_a_chance(c)]
    return found + [first] * (len(values[first]) < (min(seeds, len(values)) if drawing else seeds))


@pytest.mark.parametrize("racing", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_it_decides_as_one_that_looks_at_all_candidates(seed: int, racing: bool) -> None:
    rng = np.random.default_rng(seed)
    seeds = int(rng.integers(1, 6))
    race, values, closed = Race(seeds, racing), list[list[float]](), _Closed()
    for step in range(150):
        drawing = bool(rng.random() < 0.7)
        waiting = set(rng.choice(max(1, len(values)), 2).tolist())
        due = _due(values, closed, seeds, drawing, racing)
        expected = [c for c in due if c not in waiting]
        assert race.next(waiting, drawing) == (expected[0] if expected else None)
        known = [c for c, own in enumerate(values) if (own or c in closed) and c not in due]
        assert race.ended(range(len(values)), waiting, drawing) == [c for c in known if c not in waiting]
        candidate = int(rng.integers(len(values))) if values and step % 3 else race.enter()
        if candidate == len(values):
            values.append([])
        if rng.random() < 0.05:
            race.close(candidate, "why")
            closed[candidate] = "why"
        elif len(values[candidate]) < seeds:
            values[candidate].append(round(float(rng.normal(candidate % 7 / 7)), 2))
            race.add(candidate, values[candidate][-1])


def _operations(action: Callable[[], object]) -> int:
    """How many of Python's operations an action takes."""
    counted = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal counted
        frame.f_trace_opcodes = True
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize("racing", [True, False])
def test_a_decision_among_many_candidates_takes_no_more_work_than_among_few(racing: bool) -> None:
    rng, costs = np.random.default_rng(1), list[int]()
    race = Race(3, racing)
    for number in range(800):
        race.add(race.enter(), float(rng.normal()))
        while (due := race.next()) is not None:
            race.add(due, float(rng.normal()))
        if number in (100, 799):
            last = [number]
            costs += [_operations(race.next) + _operations(partial(race.ended, last, (), True))]
    assert costs[1] < 1.5 * costs[0]
