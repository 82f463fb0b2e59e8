"""A sweep as data: the YAML file that says what to train, how to search and what to select on."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dropattack.errors import shortened
from search.definition.durations import seconds_of
from search.definition.notify import KEY, Notify, is_part
from search.definition.part import Part
from search.definition.searches import Grid, Sampling, Search
from search.definition.seeds import Seeds
from search.definition.select import Select
from search.definition.space import Dimension, Space

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "may hold letters, digits, '.', '_' and '-' only, at most 64, the first a letter or a digit"
"""The rule for names of sweeps and stages, which name folders too."""


class Asha(Part):
    """Asynchronous successive halving: at each rung the best 1/``reduction_factor`` go on.

    Rungs stand at ``grace_period · reduction_factor**i`` epochs.

    Attributes:
        kind: ASHA is the only scheduler.
        grace_period: Epochs before the first rung; passes where the stage's ``budget`` counts those.
        reduction_factor: One of so many trials goes on from a rung.
    """

    kind: Literal["asha"] = "asha"
    grace_period: int = Field(default=1, ge=1)
    reduction_factor: float = Field(default=3, gt=1)


SECTIONS = ("training", "data", "model")
"""Settings beside the method's that a sweep may set and search: of the training, the dataset, the model."""


class Stage(Part):
    """One search within a sweep. Stages run in order and share all records.

    Attributes:
        name: Names the stage in ``--set``, in ``arms`` and in reports; written as the sweep's ``name`` is.
        workloads: Workloads of the sweep that the stage is for; all of them where it names none.
        search: How the stage chooses the combinations that it trains.
        scheduler: Which trials end early; without a scheduler none does.
        methods: A space of hyperparameters for each method; a grid takes a list of spaces and trains their
            union. Required, except for a confirmation.
        training: Settings of training, in place of the sweep's.
        data: Settings of the dataset, in place of the sweep's.
        model: Settings of the model, in place of the sweep's.
        budget: What ``training.epochs`` and rungs count: epochs, or forward-backward passes. With passes, a
            method of c passes per step trains epochs / c epochs, at least one, so that all cost the same.
        exclude: Combinations to leave out: every one that has all values of an entry.
    """

    name: str
    workloads: tuple[str, ...] = ()
    search: Search = Grid()
    scheduler: Asha | None = None
    methods: dict[str, tuple[Space, ...]] = Field(default_factory=dict)
    training: Space = Field(default_factory=dict)
    data: Space = Field(default_factory=dict)
    model: Space = Field(default_factory=dict)
    budget: Literal["epochs", "passes"] = "epochs"
    exclude: tuple[dict[str, Dimension], ...] = ()

    @property
    def races(self) -> bool:
        """Whether candidates race for further seeds."""
        return isinstance(self.search, Sampling) and self.search.race

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """Reads ``search: grid`` and ``scheduler: asha`` as these with their defaults."""
        if isinstance(raw, dict):
            raw = {
                key: {"kind": value} if key in ("search", "scheduler") and isinstance(value, str) else value
                for key, value in raw.items()
            }
            if isinstance(raw.get("methods"), dict):
                raw["methods"] = {
                    name: space if isinstance(space, list | tuple) else [space or {}]
                    for name, space in raw["methods"].items()
                }
            if isinstance(raw.get("scheduler"), dict) and raw["scheduler"].get("kind") == "none":
                raw["scheduler"] = None
        return raw


_EPOCH = "epoch"
"""For ``checkpoint_every``: at the end of epochs only."""


def _known_time(written: str) -> str:
    if written != _EPOCH:
        try:
            seconds_of(written)
        except ValueError as error:
            raise ValueError(f"{error}, or {_EPOCH} for the end of epochs only") from None
    return written


class Resources(Part):
    """The resources of one trial, and how many trials run side by side.

    Attributes:
        cpus: CPU cores of a trial.
        gpus: GPUs of a trial: 0 trains on the CPU, a share such as 0.25 shares one GPU, and ``auto`` measures
            how many trials fit into a GPU's memory.
        concurrent: Trials that run side by side. Without it as many run as fit; further trials wait, and an
            autoscaler sees them wait.
        lanes: Trials, at most, that train together as one stack. The stack then occupies the resources, and
            ``concurrent`` counts stacks.
        compile: Whether `torch.compile` generates code for a trial's passes.
        checkpoint_every: How often a trial is saved within an epoch: a time such as 90s, 10min or 2h, or
            ``epoch`` to save at the end of epochs only.
    """

    cpus: float = Field(default=1, gt=0)
    gpus: Annotated[float, Field(ge=0)] | Literal["auto"] = 0.0
    concurrent: Annotated[int, Field(ge=1)] | None = None
    lanes: int = Field(default=1, ge=1)
    compile: bool = False
    checkpoint_every: Annotated[str, AfterValidator(_known_time)] = "10min"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.most_gpus > 1 and self.most_gpus % 1:
            raise ValueError("gpus must be a share of one, a whole number, or auto")
        if self.gpus == "auto" and self.lanes > 1:
            raise ValueError("gpus: auto measures a single trial; with lanes, say how many gpus a stack gets")
        if self.compile and self.lanes > 1:
            raise ValueError("lanes are not compiled; leave out either lanes or compile")
        return self

    @property
    def most_gpus(self) -> float:
        """The most GPUs of a trial; ``auto`` measures a share of one."""
        return 1 if self.gpus == "auto" else float(self.gpus)

    @property
    def checkpoint_seconds(self) -> float | None:
        """Seconds between two saves of a trial within an epoch; `None` for no save."""
        return None if self.checkpoint_every == _EPOCH else seconds_of(self.checkpoint_every)


class Limits(Part):
    """When a sweep ends before its stages do. Trials that have begun finish; a larger limit goes on.

    Attributes:
        trials: Trials that this sweep trains.
        hours: Wall-clock hours of one run.
        gpu_hours: Hours of training, multiplied by the GPUs of each trial.
        passes: Forward-backward passes over the training split.
    """

    trials: int | None = Field(default=None, ge=1)
    hours: float | None = Field(default=None, gt=0)
    gpu_hours: float | None = Field(default=None, gt=0)
    passes: int | None = Field(default=None, ge=1)


class Mlflow(Part):
    """What MLflow gets beside the records.

    Attributes:
        system_metrics: Whether MLflow records the load of the driver's machine.
    """

    system_metrics: bool = False


class Sweep(Part):
    """A whole sweep file.

    Attributes:
        name: Names the sweep's records: letters, digits, '.', '_' and '-', at most 64.
        summary: What the sweep asks, in words; the report shows it.
        workloads: Bundled workloads by name, or ``module:function`` for your own; ``workload`` names one.
        seeds: A grid trains every combination with each seed; a search that samples trains with the first,
            or with as many as its own ``seeds`` says.
        training: Settings of training for all stages.
        data: Settings of the dataset for all stages.
        model: Settings of the model for all stages.
        stages: Searches, in the order in which they run.
        select: What validation selects by: configurations and epochs alike.
        resources: What one trial occupies, and how many run side by side.
        limits: When the sweep ends before its stages do.
        scales: Other versions of the sweep for ``--scale``: for each a name, and values by dotted path.
        notify: Where a message goes when a run ends.
        mlflow: What MLflow gets beside the records.
    """

    name: str
    summary: str = ""
    workloads: tuple[str, ...] = Field(min_length=1)
    seeds: Seeds = (0,)
    training: Space = Field(default_factory=dict)
    data: Space = Field(default_factory=dict)
    model: Space = Field(default_factory=dict)
    stages: tuple[Stage, ...] = Field(min_length=1)
    select: Select = Select()
    resources: Resources = Resources()
    limits: Limits = Limits()
    scales: dict[str, dict[str, Any]] = Field(default_factory=dict)
    notify: Notify | None = None
    mlflow: Mlflow = Mlflow()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """Reads ``workload: x`` as ``workloads: [x]``."""
        if isinstance(raw, dict) and "workload" in raw:
            if "workloads" in raw:
                raise ValueError("it has workload and workloads; keep one of the two")
            if isinstance(raw["workload"], list):
                raise ValueError("workload names one; write workloads for several")
            raw = {**raw, "workloads": [raw["workload"]]}
            del raw["workload"]
        return raw

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kind, names in (("sweep", [self.name]), ("stage", [stage.name for stage in self.stages])):
            for name in names:
                if not NAME.fullmatch(name):
                    raise ValueError(f"{kind} name {shortened(name)!r} {NAME_RULE}")
            if len(set(names)) < len(names):
                raise ValueError("two stages have one name")
        if self.limits.gpu_hours is not None and not self.resources.gpus:
            raise ValueError(
                "limits.gpu_hours counts GPUs, and resources.gpus is 0; --set limits.gpu_hours=null lifts it"
            )
        if any(is_part(path) for changes in self.scales.values() for path in changes):
            raise ValueError(f"scales are recorded, and {KEY} must not be; set it for the whole sweep")
        return self

    @property
    def recorded(self) -> Self:
        """The sweep without what is never recorded: the address that ``notify`` names."""
        return self.model_copy(update={KEY: None})

    def section(self, stage: Stage, name: str) -> Space:
        """A stage's settings of one of `SECTIONS`: the sweep's, overridden by its own."""
        space: Space = {**getattr(self, name), **getattr(stage, name)}
        return space

    def stage_workloads(self, stage: Stage) -> tuple[str, ...]:
        """The workloads that a stage is for."""
        return stage.workloads or self.workloads
