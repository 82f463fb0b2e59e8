"""What a run of a sweep would do, from its definition, its records and, if asked for, a probe."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from search.definition.searches import Grid
from search.definition.sweep import Sweep
from search.engine.code import remarks_on_code
from search.engine.costs.estimate import UNKNOWN, Estimate, Estimator
from search.engine.costs.machines import remarks_on_machines
from search.engine.costs.portions import Portion, of_search, of_trials
from search.engine.datasets import remarks_on_incomplete_data
from search.engine.nodes import remarks_on_gpus
from search.engine.proposers import Scope, grid_trials, proposer_for
from search.engine.proposers.base import Proposer
from search.engine.readiness import check_ready
from search.engine.repetitions import remarks_on_repetitions
from search.engine.short_batches import remarks_on_short_batches
from search.engine.summed_gradients import remarks_on_summed_gradients
from search.records.record import Record, State
from search.records.store import Store
from trainables.data.dataset import Data
from trainables.workloads import workload_named


@dataclass(frozen=True)
class StagePlan:
    """What is left of one stage of one workload.

    Attributes:
        stage: Its name.
        workload: Name of the workload.
        search: Kind of search.
        trials: How many trials it will have.
        recorded: How many are finished in this sweep.
        reused: How many more another name, stage or sweep has trained already; known for grids only.
        passes: Forward-backward passes over the training split that are left, summed over trials. Exact for
            grids. For samplers an estimate, as if draws were even, trials differed only by chance when ASHA
            stops them, and no candidate lost a race.
        seconds: Time for them on one slot, with validations and tests; ``None`` if it is unknown.
    """

    stage: str
    workload: str
    search: str
    trials: int
    recorded: int
    reused: int
    passes: float
    seconds: float | None = None

    @property
    def left(self) -> int:
        """How many trials a run would train."""
        return max(0, self.trials - self.recorded - self.reused)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"left": self.left}


@dataclass(frozen=True)
class Plan:
    """What a run of a sweep would do.

    Attributes:
        stages: Of every workload, in the order of the sweep.
        remarks: Further lines for the user, such as one on records of other code.
        estimate: How long it would take.
    """

    stages: Sequence[StagePlan]
    remarks: Sequence[str] = ()
    estimate: Estimate = UNKNOWN


def plan_sweep(
    sweep: Sweep,
    store: Store,
    data: Path,
    tracking_uri: str = "",
    probe: bool = False,
    only: Iterable[str] = (),
) -> Plan:
    """Plans every stage of every workload.

    Args:
        sweep: What would be run.
        store: Where it would be kept.
        data: The data root.
        tracking_uri: MLflow server; the store's own database where it is empty.
        probe: Whether to train a few steps here to measure their time, instead of taking it from records.
        only: Workloads to plan; all by default.

    Raises:
        UsageError: The sweep could not be run; see `check_ready`.
    """
    ready = check_ready(sweep, store, data, tracking_uri, only=only)
    asked = ready.asked
    records = [] if ready.journal is None else ready.journal.records
    elsewhere = store.complete_elsewhere(sweep)
    trained = set(elsewhere.records) | {r.key for r in records if r.state is State.COMPLETE}
    scopes = [
        Scope(asked, stage, workload, ready.checksum)
        for stage in asked.stages
        for workload in asked.stage_workloads(stage)
    ]
    proposers = [proposer_for(scope, store.complete) for scope in scopes]
    planned = [
        _plan(scope, proposer, records, trained) for scope, proposer in zip(scopes, proposers, strict=True)
    ]
    known = [*records, *(record for _, record in elsewhere.records.values())]
    load = partial(_load, data)
    estimator = Estimator(asked.resources, known, load, probe)
    estimate = estimator.estimate([portion for _, portions in planned for portion in portions])
    stages = [replace(stage, seconds=estimator.seconds(portions)) for stage, portions in planned]
    apart = [] if ready.journal is None else ready.journal.apart
    remarks = [*ready.remarks, *store.remarks.values(), *elsewhere.left_out]
    if any(stage.left for stage in stages):
        remarks += remarks_on_code(apart, ready.code, store.code(sweep.name))
    remarks += estimator.remarks
    if "records" in estimate.source:
        names = {name for name, r in elsewhere.records.values() if r.trial.workload in asked.workloads}
        runs = [run for name in {sweep.name, *names} for run in store.runs(name)]
        remarks += remarks_on_machines(runs, asked.resources.most_gpus > 0)
    remarks += [remark for proposer in proposers for remark in proposer.remarks]
    return Plan(stages, [*remarks, *remarks_on_definition(asked, data)], estimate)


def _load(root: Path, workload: str, options: Mapping[str, Any]) -> Data:
    return workload_named(workload).load(root, options)


def remarks_on_definition(sweep: Sweep, data: Path) -> list[str]:
    """Lines on what to know before a sweep trains, whatever is recorded."""
    return [
        *remarks_on_repetitions(sweep, data),
        *remarks_on_incomplete_data(sweep, data),
        *remarks_on_short_batches(sweep, data),
        *remarks_on_summed_gradients(sweep),
        *remarks_on_gpus(sweep.resources),
    ]


def _plan(
    scope: Scope, proposer: Proposer, journal: Sequence[Record], trained: set[str]
) -> tuple[StagePlan, list[Portion]]:
    """Plans one stage of one workload, and adds what it would train to ``trained``."""
    stage, workload = scope.stage, scope.workload
    records = [r for r in journal if r.stage == stage.name and r.trial.workload == workload]
    recorded = sum(record.finished for record in records)
    total, reused = max(proposer.total_given(records), len(records)), 0
    if isinstance(stage.search, Grid):
        finished = {record.trial.spelling for record in records if record.finished}
        still = [trial for trial in grid_trials(scope) if trial.spelling not in finished]
        left = [trial for key, trial in {t.key: t for t in still}.items() if key not in trained]
        reused = len(still) - len(left)
        trained.update(trial.key for trial in still)
        portions = of_trials(left)
    else:
        portions = of_search(scope, max(0, total - recorded))
    passes = sum(portion.passes for portion in portions)
    kind = stage.search.kind
    return StagePlan(stage.name, workload, kind, total, recorded, reused, passes), portions
