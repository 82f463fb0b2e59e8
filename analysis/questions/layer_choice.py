"""Which layers are worth attacking, from comparing every two target sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.questions.layers import rank_target_sets, scored_target_sets
from analysis.records import Metric, Records, rows, scale_of
from analysis.records.drawn import names_of
from analysis.scoring import FLATTERED
from analysis.statistics import ALPHA, estimate, holm


@dataclass(frozen=True)
class LayerChoice:
    """What is known of a workload's target sets.

    Attributes:
        leader: The first one: of largest gain or, where no gain is known, of the best score.
        gain: Its mean gain over plain training; NaN where there is none.
        beaten: Those that it beats significantly, Holm-corrected over all pairs.
        alike: Those from which it does not differ significantly.
        unscored: How many more were tried, but not scored as the leader was.
        flattered: Whether gains come from the runs that chose them, which is no test.
        seeds: How many seeds the leader's gain has or, where it has none, its score.
        tuned: Settings of the training that the search drew for each by itself, such as ``learning rate``.
    """

    leader: str
    gain: float
    beaten: Sequence[str]
    alike: Sequence[str]
    unscored: int
    flattered: bool
    seeds: int
    tuned: str = ""


def layer_choices(records: Records, metric: Metric, settings: pd.DataFrame) -> dict[str, LayerChoice]:
    """What is known of target sets, by workload.

    Every two target sets that are scored alike are compared by a paired t test of their scores, and Holm's
    correction is over all pairs: the leader was picked by the same scores, so that tests of its own lead
    alone would claim too much.

    Args:
        records: What was recorded.
        metric: What gains are of.
        settings: One trial per workload, whose training settings apply, and whose scale of ε where several
            target sets were tried at that.

    Returns:
        What is known, without workloads that tried only one target set.
    """
    scored = scored_target_sets(records, metric)
    if scored.empty:
        return {}
    ranked = rank_target_sets(scored)
    asked = settings.assign(scale=scale_of(settings))
    columns = ["workload", *records.settled]
    known = scored.drop_duplicates("setting")[["setting", "scale", *columns]]
    known = known.merge(asked[[*columns, "scale"]], on=columns, suffixes=("", "_asked"))
    known["other_scale"] = known["scale"] != known["scale_asked"]
    known = known.sort_values(["other_scale", "setting"], kind="stable")
    results = dict(tuple(scored.groupby("setting")))
    distinct = ranked.drop_duplicates(["setting", "sample"])
    tables = dict(tuple(distinct.groupby("setting")))
    found = {}
    for row in rows(known):
        tried = tables.get(row["setting"], pd.DataFrame())
        if len(tried) > 1 and str(row["workload"]) not in found:
            alike = tried[tried["rank"].notna()]
            choice = _choice(alike, results[row["setting"]], len(tried))
            found[str(row["workload"])] = replace(choice, tuned=names_of(records.drawn))
    return found


def _choice(table: pd.DataFrame, scored: pd.DataFrame, tried: int) -> LayerChoice:
    first, names = rows(table.head(1))[0], [str(name) for name in table["targets"]]
    flattered = bool(first["tier"] == FLATTERED)
    apart = set() if flattered else _told_apart(names, scored)
    leader, others = names[0], names[1:]
    beaten = [name for name in others if (leader, name) in apart]
    alike = [name for name in others if name not in beaten]
    return LayerChoice(
        leader,
        float(first["gain"]),
        beaten,
        alike,
        tried - len(names),
        flattered,
        int(first["gain_n"] or first["n"]),
    )


def _told_apart(names: list[str], scored: pd.DataFrame) -> set[tuple[str, str]]:
    """Pairs of which the first is significantly better."""
    results = scored.pivot_table(index="seed", columns="targets", values="merit").reindex(columns=names)
    spent = scored.groupby("targets")["spent"].max()
    pairs = list(combinations(names, 2))
    tests = [estimate(results[a] - results[b], float(max(spent[a], spent[b]))) for a, b in pairs]
    corrected = holm(np.array([test.p for test in tests]))
    found = set()
    for (a, b), test, p in zip(pairs, tests, corrected, strict=True):
        if p < ALPHA:
            found.add((a, b) if test.mean > 0 else (b, a))
    return found
