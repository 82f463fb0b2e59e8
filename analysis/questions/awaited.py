"""A contest before its arms meet: who leads on validation, and what is still to come."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.questions.entrants import Entrant, Lineup, lineups
from analysis.records import Metric, Records


@dataclass(frozen=True)
class Awaited:
    """A contest of which nothing is known yet, since no fresh seed has a result of both sides.

    Attributes:
        workload: Its name.
        metric: What validation chooses by.
        arms: The arms in question.
        ranked: All arms with a result, the best on validation first.
        missing: Arms without one.
        seeds: Fresh seeds that the sweep asks for.
    """

    workload: str
    metric: Metric
    arms: Sequence[str]
    ranked: Sequence[Entrant]
    missing: Sequence[str]
    seeds: int


def awaited(records: Records) -> dict[str, Awaited]:
    """The contests that have not begun, by workload; nothing where arms have met, or are none."""
    return {each.workload: _awaited(records, each) for each in lineups(records) if not each.met}


def _awaited(records: Records, lineup: Lineup) -> Awaited:
    sign, sides = records.selected.sign, (lineup.contender, lineup.rival)
    ranked = sorted(lineup.entrants, key=lambda e: (-sign * e.chosen_by, -e.searched, e not in sides))
    seeds = len(lineup.search["seeds"])
    return Awaited(lineup.workload, records.selected, lineup.arms, ranked, lineup.missing, seeds)
