"""What a run of a sweep would do, worked out from the definition and the records alone."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dropattack import method_named
from search.definition.searches import Grid
from search.definition.space import bounds
from search.definition.sweep import Sweep
from search.engine.code import remarks_on_code
from search.engine.corners import corners
from search.engine.datasets import remarks_on_incomplete_data
from search.engine.proposers import Scope, grid_trials, proposer_for
from search.engine.readiness import check_ready
from search.engine.repetitions import remarks_on_repetitions
from search.engine.short_batches import remarks_on_short_batches
from search.engine.summed_gradients import remarks_on_summed_gradients
from search.records.record import Record, State
from search.records.store import Store
from trainables.recipe.settings import TrainingSettings


@dataclass(frozen=True)
class StagePlan:
    """What is left of one stage of one workload.

    Attributes:
        stage: Its name.
        workload: Name of the workload.
        search: Kind of search.
        trials: How many it has when it is done.
        recorded: How many are finished in this sweep.
        reused: How many more are trained already under another name, stage or sweep; known for grids only.
        passes: Forward-backward passes over the training split that are left, summed over trials. Exact for
            grids; where a sampler decides, as if it drew evenly, no trial were stopped early and no candidate
            lost a race.
        seconds: Training time for them on one slot, from what is recorded; ``None`` where nothing is.
    """

    stage: str
    workload: str
    search: str
    trials: int
    recorded: int
    reused: int
    passes: float
    seconds: float | None

    @property
    def left(self) -> int:
        """How many trials would be trained."""
        return max(0, self.trials - self.recorded - self.reused)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"left": self.left}


@dataclass(frozen=True)
class Plan:
    """What a run of a sweep would do.

    Attributes:
        stages: Of every workload, in the order of the sweep.
        remarks: What to know beside the numbers, such as records of other code.
    """

    stages: Sequence[StagePlan]
    remarks: Sequence[str] = ()


def plan_sweep(sweep: Sweep, store: Store, data: Path, tracking_uri: str = "") -> Plan:
    """Plans every stage of every workload.

    Raises:
        UsageError: The sweep could not be run; see `check_ready`.
    """
    ready = check_ready(sweep, store, data, tracking_uri)
    records = [] if ready.journal is None else ready.journal.records
    elsewhere = store.complete_elsewhere(sweep)
    trained = set(elsewhere.records) | {r.key for r in records if r.state is State.COMPLETE}
    scopes = [
        Scope(sweep, stage, workload, ready.checksum)
        for stage in sweep.stages
        for workload in sweep.stage_workloads(stage)
    ]
    proposers = [proposer_for(scope, store.complete) for scope in scopes]
    stages = [
        _plan(scope, proposer.total, records, trained)
        for scope, proposer in zip(scopes, proposers, strict=True)
    ]
    apart = [] if ready.journal is None else ready.journal.apart
    remarks = [*store.remarks.values(), *elsewhere.left_out, *remarks_on_code(apart, ready.code)]
    remarks += [remark for proposer in proposers for remark in proposer.remarks]
    return Plan(stages, [*remarks, *remarks_on_definition(sweep, data)])


def remarks_on_definition(sweep: Sweep, data: Path) -> list[str]:
    """What to know of a sweep before it trains, whatever is recorded: a line for each."""
    return [
        *remarks_on_repetitions(sweep, data),
        *remarks_on_incomplete_data(sweep, data),
        *remarks_on_short_batches(sweep, data),
        *remarks_on_summed_gradients(sweep),
    ]


def _plan(scope: Scope, most: int, journal: Sequence[Record], trained: set[str]) -> StagePlan:
    """Plans one stage of one workload; what it would train is added to ``trained``."""
    stage, workload = scope.stage, scope.workload
    records = [r for r in journal if r.stage == stage.name and r.trial.workload == workload]
    recorded = sum(record.finished for record in records)
    total, reused = max(most, len(records)), 0
    if isinstance(stage.search, Grid):
        finished = {record.trial.spelling for record in records if record.finished}
        still = [trial for trial in grid_trials(scope) if trial.spelling not in finished]
        left = [trial for key, trial in {t.key: t for t in still}.items() if key not in trained]
        reused = len(still) - len(left)
        trained.update(trial.key for trial in still)
        passes = sum(trial.passes_in_all for trial in left)
    else:
        passes = max(0, total - recorded) * scope.epochs * _mean_passes(scope)
    rate = _seconds_per_pass(journal, workload)
    return StagePlan(
        stage=stage.name,
        workload=workload,
        search=stage.search.kind,
        trials=total,
        recorded=recorded,
        reused=reused,
        passes=passes,
        seconds=None if rate is None else passes * rate,
    )


def _seconds_per_pass(records: Sequence[Record], workload: str) -> float | None:
    """Median time of one pass over the training split, from the recorded epochs of a workload."""
    rates = [
        metrics["seconds"] / record.trial.passes_in(int(metrics["epoch"]))
        for record in records
        if record.trial.workload == workload
        for metrics in record.epochs
    ]
    return statistics.median(rates) if rates else None


def _mean_passes(scope: Scope) -> float:
    """Mean passes of an epoch that the budget counts, over corners of a stage's space.

    A confirmation takes the stages before it. What has a budget of passes takes one for each.
    """
    stages = [scope.stage] if scope.stage.methods else [s for s in scope.sweep.stages if s.methods]
    examples = scope.spaces["training"].get("examples", scope.defaults["training"]["examples"])
    return statistics.mean(
        1
        if each.budget == "passes"
        else TrainingSettings.from_dict({"examples": regime, "epochs": scope.epochs}).passes_of(
            method_named(method).settings_type.from_dict(corner)
        )
        / scope.epochs
        for regime in bounds(examples)
        for each in stages
        for method, spaces in each.methods.items()
        for space in spaces
        for corner in corners(space)
    )
