"""A contest before its arms have met: who leads on validation, and what is still to come."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.questions.entrants import Entrant, Lineup, lineups
from analysis.records import Metric, Records


@dataclass(frozen=True)
class Awaited:
    """A contest that is not to be judged yet, since fresh seeds of its two sides are still to end.

    Attributes:
        workload: Its name.
        metric: What validation chooses by.
        arms: The arms in question.
        ranked: All arms with a result, the best on validation first.
        missing: Arms without one.
        seeds: Fresh seeds that the sweep asks for.
        ended: Those on which both sides have ended.
        sides: The two that meet; fewer before both searches have a result.
    """

    workload: str
    metric: Metric
    arms: Sequence[str]
    ranked: Sequence[Entrant]
    missing: Sequence[str]
    seeds: int
    ended: int
    sides: Sequence[str]


def awaited(records: Records) -> dict[str, Awaited]:
    """The contests that are not over, by workload; nothing where arms have met, or are none."""
    return {each.workload: _awaited(records, each) for each in lineups(records) if not each.met}


def without_waiting(records: Records) -> Records:
    """The records without fresh seeds of contests that are not over, at which no answer looks."""
    waiting = [each for each in lineups(records) if not each.met]
    if not waiting:
        return records
    trials = records.trials
    seen = pd.Series(False, trials.index)
    for each in waiting:
        seen |= (trials["workload"] == each.workload) & (trials["stage"] == each.stage)
    return replace(records, trials=trials[~seen])


def _awaited(records: Records, lineup: Lineup) -> Awaited:
    sign, sides = records.selected.sign, (lineup.contender, lineup.rival)
    ranked = sorted(lineup.entrants, key=lambda e: (-sign * e.chosen_by, -e.searched, e not in sides))
    return Awaited(
        lineup.workload,
        records.selected,
        lineup.arms,
        ranked,
        lineup.missing,
        lineup.seeds,
        lineup.ended,
        [side.arm for side in sides if side is not None],
    )
