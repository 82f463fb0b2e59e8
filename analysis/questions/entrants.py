"""The arms of a contest: each stage's best configuration, and what fresh seeds show of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.contest import Contest
from analysis.questions.controls import PLAIN
from analysis.records import (
    BASELINE,
    COMPLETE,
    CONFIGURATION,
    CONTROL,
    RUNNING,
    Metric,
    Records,
    describe,
    rows,
)
from analysis.statistics import estimate
from dropattack.settings import EPS_ZERO


@dataclass(frozen=True)
class Entrant:
    """One arm, as its stage chose it and fresh seeds scored it.

    Attributes:
        arm: The stage that searched for it; of a control the control's name.
        configuration: Its settings for people.
        identity: Names the configuration; see `trainables.trial.Identity`.
        tried: Configurations that its stage tried, with stopped ones; 0 for a control.
        spent: Passes over the training split that its stage took; 0 for a control.
        chosen_by: Mean validation value of its configuration on the seeds that were searched.
        searched: How many seeds that is.
        passes: Forward-backward passes over the training split of one training.
        n: Fresh seeds that have a result.
        mean: Mean result on them, in the metric's unit.
        low: Lower end of its 95 % interval; NaN where there is none.
        high: Upper end.
        results: Its result by seed, larger is better.
        keys: Its trials by seed.
        targets: What it perturbs; "" where its method has no targets.
        targets_tried: Target sets that its stage tried.
    """

    arm: str
    configuration: str
    identity: str
    tried: int
    spent: float
    chosen_by: float
    searched: int
    passes: float
    n: int
    mean: float
    low: float
    high: float
    results: Mapping[float, float]
    keys: Mapping[float, str]
    targets: str = ""
    targets_tried: Sequence[str] = ()


@dataclass(frozen=True)
class Lineup:
    """The arms of a contest in one workload.

    Attributes:
        workload: Its name.
        stage: Name of the contest's stage.
        search: How the contest's stage confirms, as a sweep file has it.
        arms: The arms in question that the workload has.
        entrants: All arms that have a result of their search, in the order of their stages.
        contender: The best of the arms in question, by validation on the searched seeds; nothing before one
            has a result.
        rival: The best of the others, likewise.
        controls: Control experiments of the contender's configuration.
        fresh: The complete trials of the contest's stage.
        missing: Stages whose search has no result yet.
        ended: How many fresh seeds both sides have ended on, failed trials among them.
    """

    workload: str
    stage: str
    search: Mapping[str, Any]
    arms: Sequence[str]
    entrants: Sequence[Entrant]
    contender: Entrant | None
    rival: Entrant | None
    controls: Sequence[Entrant]
    fresh: pd.DataFrame
    missing: Sequence[str]
    ended: int

    @property
    def seeds(self) -> int:
        """How many fresh seeds the contest asks for."""
        return len(set(self.search["seeds"]))

    @property
    def met(self) -> bool:
        """Whether both sides have ended on every fresh seed, and have results.

        The planned test is made once: who looks at it while seeds are to come may stop where it looks good.
        """
        sides = (self.contender, self.rival)
        return self.ended >= self.seeds and all(side is not None and side.n > 0 for side in sides)


def lineups(records: Records) -> list[Lineup]:
    """The arms of each workload's contest, as far as it has trials; nothing where a sweep has no contest."""
    found, tried = _contested(records), set(records.trials["workload"])
    return [_lineup(records, stage, workload) for workload, stage in found.items() if workload in tried]


def planned(records: Records) -> int:
    """How many contests a sweep plans: one for each of its workloads that has both sides."""
    return len(_contested(records))


def _contested(records: Records) -> dict[str, Mapping[str, Any]]:
    """The stage of each workload's contest, by workload."""
    found: dict[str, Mapping[str, Any]] = {}
    workloads = sorted({*map(str, records.trials["workload"]), *records.sweep.get("workloads", ())})
    for stage in records.sweep.get("stages", ()):
        asked = set(_search(stage).get("arms") or ())
        for workload in workloads if asked else ():
            own = set(_searched_before(records, stage, workload))
            if _is_in(stage, workload) and asked & own and own - asked:
                found.setdefault(workload, stage)
    return found


def _is_in(stage: Mapping[str, Any], workload: str) -> bool:
    return workload in (stage.get("workloads") or [workload])


def _search(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    search = stage.get("search")
    return search if isinstance(search, Mapping) else {}


def _lineup(records: Records, stage: Mapping[str, Any], workload: str) -> Lineup:
    metric, search = records.reported, _search(stage)
    stages = _searched_before(records, stage, workload)
    trials = records.trials[records.trials["workload"] == workload]
    searched = trials[trials["stage"].isin(stages)]
    contest = _contest(records, searched, search["arms"])
    name = str(stage.get("name"))
    confirmed = trials[(trials["stage"] == name) & trials["seed"].isin(search["seeds"])]
    fresh = confirmed[confirmed["state"] == COMPLETE]
    columns = ["method", *records.hyperparameters]
    columns += [c for c in records.trained if trials[c].nunique(dropna=False) > 1]
    entrants = [
        _entrant(records, metric, arm, str(identity), fresh, searched[searched["stage"] == arm], columns)
        for arm, identity in contest.best.items()
    ]
    by_arm = {entrant.arm: entrant for entrant in entrants}
    contender = by_arm.get(contest.contender or "")
    known = {entrant.identity for entrant in entrants}
    others = fresh[(fresh[CONTROL] != "") & ~fresh[CONFIGURATION].isin(known)]
    own = fresh[:0] if contender is None else fresh[fresh[CONFIGURATION] == contender.identity]
    others = others[:0] if own.empty else _controls_of(records, own, others)
    controls = [
        _entrant(records, metric, str(own[CONTROL].iloc[0]), str(identity), fresh, own.iloc[:0], columns)
        for identity, own in others.groupby(CONFIGURATION, sort=False)
    ]
    missing = [each for each in stages if each not in by_arm]
    rival = by_arm.get(contest.rival or "")
    arms = [arm for arm in search["arms"] if arm in stages]
    ended = _ended(confirmed, search["seeds"], (contender, rival))
    return Lineup(workload, name, search, arms, entrants, contender, rival, controls, fresh, missing, ended)


def _ended(confirmed: pd.DataFrame, seeds: Sequence[int], sides: Sequence[Entrant | None]) -> int:
    """See `Lineup.ended`."""
    over = confirmed[confirmed["state"] != RUNNING]
    left = set(seeds)
    for side in sides:
        left &= set() if side is None else set(over.loc[over[CONFIGURATION] == side.identity, "seed"])
    return len(left)


def _searched_before(records: Records, stage: Mapping[str, Any], workload: str) -> list[str]:
    """Names of the stages that search before a confirmation; what comes after it is no arm of it."""
    stages = list(records.sweep.get("stages", ()))
    before = stages[: [each.get("name") for each in stages].index(stage.get("name"))]
    names = [str(each.get("name")) for each in before if _is_in(each, workload)]
    return [name for name in names if name not in records.confirmations]


def _controls_of(records: Records, own: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Of all controls those of one configuration, given by its trials.

    A search that went on may have changed who meets; controls of a former contender stay on record. Plain
    training, and perturbations of size 0, are one training for many configurations: as many passes count.
    """
    first = own.iloc[0]

    def alike(columns: Sequence[str]) -> pd.Series:
        same = [(others[c] == first[c]) | (others[c].isna() & pd.isna(first[c])) for c in columns]
        return pd.concat(same, axis=1).all(axis=1) if same else pd.Series(True, others.index)

    trained = alike(records.training)
    exact = trained & alike([c for c in records.method_settings if c != "control"])
    shared = others[CONTROL].isin((EPS_ZERO, *PLAIN)) & np.isclose(others["passes"], first["passes"])
    named = exact.groupby(others[CONTROL]).transform("any")
    return others[exact | (trained & shared & ~named)]


def _contest(records: Records, searched: pd.DataFrame, arms: Sequence[str]) -> Contest:
    """The arms that meet, as the sweep's engine decided."""
    contest, races = Contest(arms), set(records.races)
    counts = (searched["state"] == COMPLETE) & searched["value"].notna()
    plain = (searched["method"] == BASELINE) | (searched[CONTROL] == "")
    order = {str(s.get("name")): place for place, s in enumerate(records.sweep.get("stages", ()))}
    own = searched[counts & plain]
    for row in rows(own.assign(place=own["stage"].map(order)).sort_values("place", kind="stable")):
        merit = records.selected.sign * row["value"]
        arm = str(row["stage"])
        contest.add(arm, row[CONFIGURATION], row["seed"], row["key"], merit, race=arm in races)
    return contest


def _entrant(
    records: Records,
    metric: Metric,
    arm: str,
    identity: str,
    fresh: pd.DataFrame,
    stage: pd.DataFrame,
    columns: Sequence[str],
) -> Entrant:
    """An arm from its confirmation and what its own stage tried."""
    own = fresh[fresh[CONFIGURATION] == identity].drop_duplicates("seed").sort_values("seed")
    chosen = stage[(stage[CONFIGURATION] == identity) & (stage["state"] == COMPLETE)].drop_duplicates("seed")
    first = rows(own)[:1] or rows(chosen)[:1]
    column = records.values(metric)
    scores = own[column].astype(float)
    known = scores.notna()
    summary = estimate(scores)
    trainings = stage.drop_duplicates("key")
    return Entrant(
        arm=arm,
        configuration=describe(first[0], columns),
        identity=identity,
        tried=stage[CONFIGURATION].nunique(),
        spent=float((trainings["passes"] * trainings["epochs"]).sum()),
        chosen_by=float(chosen["value"].mean()),
        searched=len(chosen),
        passes=float(first[0]["passes"] * first[0].get("training.epochs", first[0]["epochs"])),
        n=summary.n,
        mean=summary.mean,
        low=summary.low,
        high=summary.high,
        results=dict(zip(own["seed"][known], metric.sign * scores[known], strict=True)),
        keys=dict(zip(own["seed"][known], own["key"][known], strict=True)),
        targets=str(first[0].get("targets") or ""),
        targets_tried=sorted(map(str, stage["targets"].dropna().unique())) if "targets" in stage else (),
    )
