"""What all proposers share: a proposal, and the stage and workload for which they propose."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from dropattack import UsageError
from search.definition.options import Options, default_options, option_spaces
from search.definition.space import Dimension, Interval, Scalar, Space, admits, bounds, values
from search.definition.sweep import SECTIONS, Stage, Sweep
from search.records.record import Record
from trainables.architecture import Architecture
from trainables.recipe.settings import TrainingSettings
from trainables.trial import Trial
from trainables.usercode import user_code
from trainables.workloads import workload_named

Checksum = Callable[[str, Mapping[str, Any]], str]
"""Gives the digest of a workload's data under the options of the dataset."""


@dataclass(frozen=True)
class Proposal:
    """A trial to run, and the sampler's draw behind it, as in `Record`."""

    trial: Trial
    params: Mapping[str, float] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """One stage of one workload, for which a proposer proposes trials.

    Attributes:
        sweep: The sweep.
        stage: Its stage.
        workload: Name of the workload.
        checksum: Returns the digest of the workload's data.
        code: Further code with which its trials train, beside the workload's and the method's.
    """

    sweep: Sweep
    stage: Stage
    workload: str
    checksum: Checksum
    code: Mapping[str, str] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """The full budget of a trial, the largest where a grid has several."""
        default = self.defaults["training"]["epochs"]
        return max(int(value) for value in bounds(self.spaces["training"].get("epochs", default)))

    @cached_property
    def spaces(self) -> dict[str, Space]:
        """Settings that are set or searched beside the method, by section."""
        return option_spaces(self.sweep, self.stage, self.workload)

    @cached_property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """The workload's own options, by section."""
        return default_options(self.workload)

    def trial(
        self,
        method: str,
        hyperparameters: Mapping[str, Any],
        options: Options,
        seed: int,
    ) -> Trial:
        """A trial of this scope; ``options`` holds those of each of `SECTIONS`."""
        training, data, model = (options[section] for section in SECTIONS)
        workload = workload_named(self.workload)
        architecture = workload.model_settings(model, data)
        settings = workload.method_settings(method, hyperparameters, architecture)
        chosen = {**self.defaults["training"], **training, "best_by": self.sweep.select.metric}
        recipe = TrainingSettings.from_dict(chosen)
        if self.stage.budget == "passes":
            recipe = recipe.within(recipe.epochs, settings)
        return Trial.of(
            workload,
            method,
            settings,
            recipe,
            workload.data_settings(data),
            architecture,
            seed,
            self.checksum(self.workload, data),
            self._code(method),
        )

    def _code(self, method: str) -> dict[str, str]:
        """The code of the workload and of a method, as it was when this scope first asked."""
        if method not in self._codes:
            self._codes[method] = {**user_code(self.workload, method), **self.code}
        return self._codes[method]

    @cached_property
    def _codes(self) -> dict[str, dict[str, str]]:
        return {}

    def resource(self, trial: Trial, epoch: int) -> float:
        """What a trial has used of its budget after an epoch, in the unit that rungs count."""
        return trial.passes_until(epoch) if self.stage.budget == "passes" else epoch

    def excludes(self, trial: Trial) -> bool:
        """Whether the stage leaves this combination out."""
        return any(
            all(_has(trial, name, dimension) for name, dimension in entry.items())
            for entry in self.stage.exclude
        )


def _has(trial: Trial, name: str, dimension: Dimension) -> bool:
    """Whether a trial's method, or its hyperparameter of that name, lies in a dimension."""
    if name == "method":
        return admits(dimension, trial.method)
    if name not in trial.hyperparameters or isinstance(dimension, Interval):
        return name in trial.hyperparameters and admits(dimension, trial.hyperparameters[name])
    spelt = (
        _spelt(trial.workload, trial.method, name, value, trial.architecture) for value in values(dimension)
    )
    return trial.hyperparameters[name] in spelt


@cache
def _spelt(workload: str, method: str, name: str, value: Scalar, model: Architecture) -> Any:
    """A value as a trial would have it; ``None`` if this method or model has no such value."""
    try:
        return getattr(workload_named(workload).method_settings(method, {name: value}, model), name)
    except UsageError:
        return None


Before = list[list[Record]]
"""The records of the stages before, stage by stage, of the same workload."""


class Proposer(ABC):
    """Proposes the trials of one scope, given the records of that scope so far."""

    remarks: Sequence[str] = ()
    """Lines on what it starts from."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @property
    @abstractmethod
    def total(self) -> int:
        """How many trials the scope will have."""

    def total_given(self, records: list[Record]) -> int:
        """How many trials the scope will have, given all its records: fewer where a search ended early."""
        return self.total

    @abstractmethod
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        """The next trial, or ``None`` if there is none now.

        Args:
            records: All records of this scope, in order.
            before: Those of the stages before.
        """

    def ended(self, records: list[Record]) -> bool:
        """Whether there will never be another trial, if there is none now."""
        return True

    def stoppable(self, record: Record) -> bool:
        """Whether rungs may stop this trial, and compare others with it."""
        return True

    def ready(self, before: Before) -> bool:
        """Whether this proposer may start, given the records of the stages before."""
        return True
