"""What is known of one trial of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from analysis.aims import PASSES
from dropattack import UsageError
from search.definition.select import Select
from search.records.naming import run_name
from trainables.recipe.measured import GPUS, Metrics
from trainables.trial import Identity, Trial

CIRCUMSTANCES = ("seconds", "train_seconds", "cpu_seconds", "recorded_at", "on_gpu", GPUS, "lost_seconds")
"""Metrics that may differ when the same training is done again: when, where and how fast."""


class State(StrEnum):
    """The state of a trial, in the words that reports and MLflow show."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass
class Record:
    """One trial of one stage.

    Attributes:
        number: Its place in the journal.
        stage: Name of the stage that asked for it.
        trial: What is trained, as it was asked for.
        identity: Its identity, by which trials are counted, paired and compared.
        params: The sampler's draw, as Optuna stores it; without a sampler, values that name the trial.
        distributions: What it drew from, as Optuna's JSON.
        state: Where it stands.
        epochs: Metrics of every finished epoch, in order.
        reason: Why it failed.
        reused_from: Sweep and stage whose training this record repeats, or nothing.
        former: The key that an earlier version gave this training, where that was another one: files and
            MLflow runs from then bear it.
        written_name: What the journal calls the trial; nothing in journals of earlier versions.
        written_passes: Passes that the journal says it costs; nothing in journals of earlier versions.
        failures: Records of the same trial that failed and that this one tries again, the oldest first.
    """

    number: int
    stage: str
    trial: Trial
    identity: Identity
    params: Mapping[str, float] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    state: State = State.RUNNING
    epochs: list[Metrics] = field(default_factory=list)
    reason: str = ""
    reused_from: str = ""
    former: str = ""
    written_name: str = ""
    written_passes: float = 0.0
    failures: list["Record"] = field(default_factory=list)

    def copy(self) -> "Record":
        """The record as it is now, which no later epoch or end changes."""
        return replace(self, epochs=list(self.epochs))

    @property
    def name(self) -> str:
        """See `run_name`."""
        return self.written_name or run_name(self.trial)

    @property
    def passes(self) -> float:
        """See `Trial.passes`; read from the journal where it says it, so that no method's code is needed."""
        return self.written_passes or self.trial.passes

    @property
    def key(self) -> str:
        """See `Identity.key`."""
        return self.identity.key

    @property
    def finished(self) -> bool:
        """Whether nothing more will be recorded."""
        return self.state is not State.RUNNING

    def best(self, select: Select) -> Metrics | None:
        """The epoch with the best value of the metric that chooses epochs, the first of equals.

        Returns:
            None before the first epoch.
        """
        return max(self.epochs, key=lambda m: select.sign * m[select.column], default=None)

    def value(self, select: Select) -> float | None:
        """The deciding value of the best epoch so far: the metric's, or that of a rule for several."""
        if select.several:
            return select.rule.value(self.aims(select))
        best = self.best(select)
        return None if best is None else best[select.column]

    def aims(self, select: Select) -> dict[str, float | None]:
        """Values by metric of all that is aimed at, of the best epoch's model; of passes, what it all costs.

        What is measured on that model at the end only, such as an accuracy under attack, is the last epoch's.
        """
        found: dict[str, float | None] = {aim.metric: None for aim in select.aims}
        found |= measured(select, self.epochs)
        return found | ({PASSES: self.passes_spent} if PASSES in found and self.epochs else {})

    def margins(self, select: Select) -> tuple[float, ...]:
        """Its margin to each constraint; empty without constraints."""
        return select.rule.margins(self.aims(select)) if select.constraints else ()

    @property
    def passes_spent(self) -> float:
        """Forward-backward passes over the training split so far; `passes` is their mean over epochs."""
        try:
            return self.trial.passes_until(len(self.epochs))
        except UsageError:
            return self.passes * len(self.epochs)


def measured(select: Select, epochs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Values by metric of what is aimed at and measured, of the best epoch; see `Record.aims`."""
    best = max(epochs, key=lambda metrics: select.sign * metrics[select.column], default={})
    columns = {aim.metric: aim.column for aim in select.aims}
    found = {name: best.get(column, epochs[-1].get(column)) for name, column in columns.items() if epochs}
    return {name: value for name, value in found.items() if value is not None}


def same_result(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two recordings of one epoch agree in everything but when, where and how fast."""
    names = (one.keys() | other.keys()) - set(CIRCUMSTANCES)
    return all(_same(one.get(name), other.get(name)) for name in names)


def _same(one: float | None, other: float | None) -> bool:
    both_nan = one != one and other != other
    return one == other or both_nan
