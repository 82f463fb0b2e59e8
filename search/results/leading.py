"""The best configuration so far while a sweep runs: a figure that never gets worse."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.aims import shortfall
from analysis.budget import budget_of
from search.definition.budget import budgets_in
from search.definition.searches import Confirm, Sampling
from search.definition.sweep import Sweep
from search.records.record import Record, State

_BASELINE = "standard"


@dataclass(frozen=True)
class Leader:
    """The best configuration so far of a workload.

    Attributes:
        record: A trial of it.
        value: Its mean validation value over the seeds searched when it took the lead.
        seeds: Those seeds.
        gain: How much better that is than the baseline on the same seeds, positive if better; ``None`` if the
            baseline lacks one of them.
        plain: Whether it is the baseline itself.
        keeps: Whether it keeps to the sweep's constraints.
    """

    record: Record
    value: float
    seeds: tuple[int, ...]
    gain: float | None
    plain: bool
    keeps: bool = True


@dataclass
class _Asked:
    """A configuration that has begun.

    Attributes:
        stages: The stages that ask for it.
        missing: Seeds of these stages that are not complete.
        values: Values of its complete trials, by seed.
        margins: How far these keep to each constraint.
    """

    stages: set[str] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    values: dict[int, float] = field(default_factory=dict)
    margins: dict[int, Sequence[float]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return math.fsum(self.values.values()) / len(self.values)

    @property
    def beyond(self) -> float:
        """By how much the means violate the constraints."""
        columns = zip(*self.margins.values(), strict=True)
        return shortfall([math.fsum(column) / len(self.margins) for column in columns])


@dataclass(frozen=True)
class _Lead:
    record: Record
    mean: float
    beyond: float
    seeds: tuple[int, ...]


class Leading:
    """The leader of every workload, kept up to date record by record.

    A configuration may take the lead once all searched seeds of its stages are complete. It keeps the lead
    until another one has a better mean, or keeps better to the constraints. Fresh seeds of confirmations and
    controls do not count. `search.results.best` returns what validation chooses in the end.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._select = sweep, sweep.select
        self._of_passes = {stage.name: stage for stage in sweep.stages if stage.budget == "passes"}
        self._sign = sweep.select.rule.decides.sign
        self._seeds: dict[str, tuple[int, ...]] = {
            stage.name: (
                sweep.seeds[: stage.search.seeds] if isinstance(stage.search, Sampling) else sweep.seeds
            )
            for stage in sweep.stages
            if not isinstance(stage.search, Confirm)
        }
        self._asked: dict[str, _Asked] = {}
        self._leads: dict[str, _Lead] = {}
        self._baselines: dict[tuple[str, str], _Asked] = {}

    def add(self, record: Record) -> None:
        """Counts a record if it is complete."""
        value = record.value(self._select)
        candidate = record.state is State.COMPLETE and not record.identity.control
        if not candidate or value is None or not math.isfinite(value) or record.stage not in self._seeds:
            return
        trial, configuration = record.trial, record.identity.configuration
        if trial.method == _BASELINE:
            self._baselines.setdefault(self._recipe(record), _Asked()).values[trial.seed] = value
        asked = self._asked.setdefault(configuration, _Asked())
        asked.values[trial.seed] = value
        asked.margins[trial.seed] = record.margins(self._select)
        if record.stage not in asked.stages:
            asked.stages.add(record.stage)
            asked.missing.update(set(self._seeds[record.stage]) - asked.values.keys())
        asked.missing.discard(trial.seed)
        if asked.missing:
            return
        lead = self._leads.get(trial.workload)
        sign = self._sign
        beyond = asked.beyond
        if lead is None or (-beyond, sign * asked.mean) > (-lead.beyond, sign * lead.mean):
            seeds = tuple(sorted(asked.values))
            self._leads[trial.workload] = _Lead(record, asked.mean, beyond, seeds)

    def leaders(self) -> Mapping[str, Leader]:
        """The leader by workload, for workloads with a complete configuration."""
        return {workload: self._leader(lead) for workload, lead in self._leads.items()}

    def baseline(self, workload: str) -> tuple[float, int] | None:
        """The mean of a workload's baseline, and its number of seeds.

        It is the baseline of the leader's recipe or, before there is a leader, of the only recipe.
        """
        lead = self._leads.get(workload)
        known = [recipe for recipe in self._baselines if recipe[0] == workload]
        recipe = self._recipe(lead.record) if lead else known[0] if len(known) == 1 else None
        found = self._baselines.get(recipe) if recipe else None
        return (found.mean, len(found.values)) if found else None

    def _leader(self, lead: _Lead) -> Leader:
        plain = lead.record.trial.method == _BASELINE
        beside = self._baselines.get(self._recipe(lead.record), _Asked()).values
        paired = not plain and set(lead.seeds) <= beside.keys()
        gain = None
        if paired:
            baseline = math.fsum(beside[seed] for seed in lead.seeds) / len(lead.seeds)
            gain = self._sign * (lead.mean - baseline)
        return Leader(lead.record, lead.mean, lead.seeds, gain, plain, lead.beyond == 0)

    def _recipe(self, record: Record) -> tuple[str, str]:
        """What an attack shares with its baseline: the workload, and settings of training, data and model.

        Where a stage counts passes, it is their budget instead of the number of epochs, if the sweep says it:
        what a workload asks for by itself needs its code.
        """
        trial, training = record.trial, dict(record.trial.training)
        stage = self._of_passes.get(record.stage)
        asked = None if stage is None else self._sweep.section(stage, "training").get("epochs")
        if asked is not None:
            training["epochs"] = int(budget_of(budgets_in(asked), record.passes * training["epochs"]))
        return trial.workload, json.dumps([training, dict(trial.data), dict(trial.model)], sort_keys=True)
