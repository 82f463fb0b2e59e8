"""A sweep as data: the YAML file that says what to train, how to search and what to select on."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dropattack.errors import shortened
from search.definition.durations import seconds_of
from search.definition.notify import KEY, Notify, is_part
from search.definition.searches import Grid, Sampling, Search
from search.definition.select import Select
from search.definition.space import Dimension, Space

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "may hold letters, digits, '.', '_' and '-' only, at most 64, the first a letter or a digit"
"""The rule for names of sweeps and stages, which name folders too."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asha(_Model):
    """Asynchronous successive halving: at each rung the best 1/``reduction_factor`` go on.

    Rungs stand at ``grace_period · reduction_factor**i`` epochs.
    """

    kind: Literal["asha"] = "asha"
    grace_period: int = Field(default=1, ge=1)
    reduction_factor: float = Field(default=3, gt=1)


SECTIONS = ("training", "data", "model")
"""Settings beside the method's that a sweep may set and search: of the training, the dataset, the model."""


class Stage(_Model):
    """One search within a sweep. Stages run in order and share all records.

    Attributes:
        name: Its name.
        workloads: Those of the sweep that it is for; all where it names none.
        search: How combinations are chosen.
        scheduler: Whether trials are stopped early.
        methods: Spaces by method; a grid may have several spaces for one method and is their union.
        training: Training settings, fixed or to be searched; likewise ``data`` and ``model``.
        budget: What ``training.epochs`` and rungs count: epochs, or forward-backward passes. With passes, a
            method of c passes per step trains epochs / c epochs, at least one, so that all cost the same.
        exclude: Combinations to leave out: a combination is one that has all values of an entry.
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


class Resources(_Model):
    """The resources of one trial, and how many trials run side by side.

    ``gpus: auto`` measures what a trial takes of a GPU's memory and puts as many side by side as fit. Without
    ``concurrent``, as many trials run as fit on the cluster. More than fit wait, which is what an autoscaler
    goes by. With ``lanes``, up to so many trials train together as one stack (`trainables.lanes`), which then
    is what occupies the resources and what ``concurrent`` counts. With ``compile``, `torch.compile` generates
    code for a trial's passes. A trial by itself is saved at the end of every epoch, and within one
    ``checkpoint_every`` so often; ``epoch`` leaves that out.
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


class Limits(_Model):
    """When a sweep ends before its stages do; what has begun is finished, and a larger limit goes on.

    Attributes:
        trials: Trials trained by this sweep.
        hours: Wall-clock hours of one run.
        gpu_hours: Hours of training times GPUs per trial.
        passes: Forward-backward passes over the training split.
    """

    trials: int | None = Field(default=None, ge=1)
    hours: float | None = Field(default=None, gt=0)
    gpu_hours: float | None = Field(default=None, gt=0)
    passes: int | None = Field(default=None, ge=1)


class Mlflow(_Model):
    """What MLflow gets beside the records: ``system_metrics`` says what the driver's machine does."""

    system_metrics: bool = False


class Sweep(_Model):
    """A whole sweep file."""

    name: str
    summary: str = ""
    workloads: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
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
        if isinstance(raw, dict) and "workload" in raw and "workloads" not in raw:
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
            raise ValueError("limits.gpu_hours counts GPUs, and resources.gpus is 0")
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
