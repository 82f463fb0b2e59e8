"""A sweep as data: the YAML file that says what to train, how to search and what to select on."""

import math
import re
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dropattack import INPUT, UsageError, method_named
from dropattack.errors import unknown
from search.space import FORMS, Range, Space, Subsets, bounds, combinations, values
from trainables.workloads import TrainingSettings, workload_named

_SUFFIXES = (".yaml", ".yml")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(_Model):
    """Every combination of the space, once per seed of the sweep."""

    kind: Literal["grid"] = "grid"


class Sampling(_Model):
    """``trials`` combinations drawn at random or by Optuna's TPE, trained with the sweep's first seed."""

    kind: Literal["random", "optuna"]
    trials: int = Field(ge=1)
    sampler_seed: int = 0


class Confirm(_Model):
    """The best configurations of the stages before, and the baseline, again on fresh seeds."""

    kind: Literal["confirm"] = "confirm"
    top: int = Field(default=1, ge=1)
    seeds: tuple[int, ...] = Field(min_length=1)


class Asha(_Model):
    """Asynchronous successive halving: at each rung the best 1/``reduction_factor`` go on.

    Rungs stand at ``grace_period · reduction_factor**i`` epochs.
    """

    kind: Literal["asha"] = "asha"
    grace_period: int = Field(default=1, ge=1)
    reduction_factor: float = Field(default=3, gt=1)


Search = Annotated[Grid | Sampling | Confirm, Field(discriminator="kind")]


SECTIONS = ("training", "data", "model")
"""Settings beside the method's that a sweep may set and search: of the training, the dataset, the model."""


class Stage(_Model):
    """One search within a sweep. Stages run in order and share all records."""

    name: str
    search: Search = Grid()
    scheduler: Asha | None = None
    methods: dict[str, Space] = Field(default_factory=dict)
    training: Space = Field(default_factory=dict)
    data: Space = Field(default_factory=dict)
    model: Space = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """Lets ``search: grid`` and ``scheduler: asha`` stand for their defaults."""
        if isinstance(raw, dict):
            raw = {
                key: {"kind": value} if key in ("search", "scheduler") and isinstance(value, str) else value
                for key, value in raw.items()
            }
            if isinstance(raw.get("methods"), dict):
                raw["methods"] = {name: space or {} for name, space in raw["methods"].items()}
            if isinstance(raw.get("scheduler"), dict) and raw["scheduler"].get("kind") == "none":
                raw["scheduler"] = None
        return raw


class Select(_Model):
    """What a sweep selects on: always a metric of the validation split."""

    metric: str = "accuracy"
    mode: Literal["max", "min"] = "max"

    @property
    def column(self) -> str:
        """Name of the metric in a trial's results."""
        return f"valid_{self.metric}"

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.mode == "max" else -1


class Resources(_Model):
    """What one trial occupies.

    ``gpus: auto`` measures what a trial takes of a GPU's memory and puts as many side by side as fit.
    """

    cpus: float = Field(default=1, gt=0)
    gpus: Annotated[float, Field(ge=0)] | Literal["auto"] = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.most_gpus > 1 and self.most_gpus % 1:
            raise ValueError("gpus must be a share of one, a whole number, or auto")
        return self

    @property
    def most_gpus(self) -> float:
        """The most a trial may occupy; ``auto`` measures a share of one."""
        return 1 if self.gpus == "auto" else float(self.gpus)


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

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """Lets ``workload: x`` stand for ``workloads: [x]``."""
        if isinstance(raw, dict) and "workload" in raw and "workloads" not in raw:
            raw = {**raw, "workloads": [raw["workload"]]}
            del raw["workload"]
        return raw

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kind, names in (("sweep", [self.name]), ("stage", [stage.name for stage in self.stages])):
            for name in names:
                if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
                    raise ValueError(f"{kind} name {name!r} may hold letters, digits, '.', '_' and '-' only")
            if len(set(names)) < len(names):
                raise ValueError("two stages have one name")
        return self

    def section(self, stage: Stage, name: str) -> Space:
        """One of `SECTIONS` for a stage: the sweep's, overridden by the stage's own."""
        space: Space = {**getattr(self, name), **getattr(stage, name)}
        return space


def load_sweep(source: str, overrides: Mapping[str, Any] | None = None) -> Sweep:
    """Reads a sweep by bundled name or path, applies overrides, and checks everything that can be checked.

    Args:
        source: ``demo``, or ``my/sweep.yaml``.
        overrides: Dotted paths to values, such as ``{"training.epochs": 2, "stages.0.search.trials": 5}``.

    Raises:
        UsageError: The file is missing or any part of it is wrong; the message names the part.
    """
    raw = _read(source)
    for path, value in (overrides or {}).items():
        _override(raw, path, value)
    return parse_sweep(raw, source)


def parse_sweep(raw: Any, source: str = "sweep") -> Sweep:
    """Checks a sweep that has been read already; see `load_sweep`."""
    if not isinstance(raw, dict):
        raise UsageError(f"{source}: a sweep file is a mapping of keys to values")
    try:
        sweep = Sweep.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{source}: {_first_problem(error)}") from None
    try:
        _check_meaning(sweep)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None
    return sweep


def sweep_name(source: str) -> str:
    """The name of the sweep that ``source``, a name or a path to a file, stands for."""
    return load_sweep(source).name if Path(source).suffix in _SUFFIXES else source


def bundled_sweeps() -> list[str]:
    """Names of the sweeps that come with the package."""
    folder = resources.files("search") / "sweeps"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def _read(source: str) -> Any:
    path = Path(source)
    if path.suffix in _SUFFIXES:
        if not path.is_file():
            raise UsageError(f"there is no sweep file {source!r}")
        text = path.read_text(encoding="utf-8")
    elif source in bundled_sweeps():
        text = (resources.files("search") / "sweeps" / f"{source}.yaml").read_text(encoding="utf-8")
    else:
        raise unknown("sweep", source, bundled_sweeps())
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None


def _override(raw: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    node = raw
    for part in parents:
        if isinstance(node, list):
            node = _stage_named(node, part, path)
        elif isinstance(node, dict):
            node = node.setdefault(part, {})
        else:
            raise UsageError(f"--set {path}: {part!r} is inside a plain value")
    if not isinstance(node, dict):
        raise UsageError(f"--set {path}: {last!r} is not inside a mapping")
    node[last] = value


def _stage_named(stages: list[Any], name: str, path: str) -> Any:
    named = {str(stage.get("name")): stage for stage in stages if isinstance(stage, dict)}
    if name not in named:
        raise UsageError(f"--set {path}: {unknown('stage', name, named)}")
    return named[name]


def _first_problem(error: ValidationError) -> str:
    """One line for the most telling of pydantic's complaints."""
    problems = error.errors()
    extra = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = extra[0] if extra else problems[0]
    where = ".".join(str(part) for part in problem["loc"] if part not in _TAGS)
    if problem["type"] == "extra_forbidden":
        message = str(unknown("key", str(problem["loc"][-1]), _owner(problem["loc"]).model_fields))
        return f"{where.rpartition('.')[0] or 'top level'}: {message}"
    if problem["type"] == "too_short":
        return f"{where}: the space is empty; list at least one value"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


_TAGS = {"grid", "random", "optuna", "confirm", *FORMS}


def _owner(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The part of a sweep that holds the key at the end of ``location``."""
    tagged: dict[str, type[BaseModel]] = {
        "grid": Grid,
        "confirm": Confirm,
        "random": Sampling,
        "optuna": Sampling,
    }
    tagged |= {
        "range": Range,
        "subsets": Subsets,
        "scheduler": Asha,
        "select": Select,
        "resources": Resources,
    }
    parents = [tagged[str(part)] for part in location[:-1] if part in tagged]
    return parents[-1] if parents else Stage if "stages" in location else Sweep


def _check_meaning(sweep: Sweep) -> None:
    """Raises a `UsageError` for whatever a schema cannot see: unknown names, values out of range."""
    for name in sweep.workloads:
        workload_named(name)
    for index, stage in enumerate(sweep.stages):
        try:
            _check_stage(sweep, stage, index)
        except UsageError as error:
            raise UsageError(f"stage {stage.name!r}: {error}") from None


def _check_stage(sweep: Sweep, stage: Stage, index: int) -> None:
    if isinstance(stage.search, Confirm):
        if index == 0:
            raise UsageError("a confirmation needs stages before it")
        if stage.methods or stage.scheduler:
            raise UsageError(
                "a confirmation takes its configurations from the stages before, and trains in full"
            )
    elif not stage.methods:
        raise UsageError("its space is empty: name at least one method under `methods`")
    training, data, model = (sweep.section(stage, name) for name in SECTIONS)
    for workload in map(workload_named, sweep.workloads):
        _check_space(TrainingSettings.from_dict, training, stage.search, "training")
        _check_space(workload.data_settings, data, stage.search, "data")
        _check_space(workload.model_settings, model, stage.search, "model")
        for name, space in stage.methods.items():
            _check_space(method_named(name).settings_type.from_dict, space, stage.search, name)
            for options in combinations(model):
                for targets in values(space.get("targets", INPUT)):
                    workload.check_targets(str(targets), options)
    if stage.scheduler is not None and len(bounds(training.get("epochs", 1))) > 1:
        raise UsageError("asha needs one number of training.epochs, not several")


def _check_space(make: Callable[[dict[str, Any]], Any], space: Space, search: Search, owner: str) -> None:
    """Makes settings of every value of a space, one name at a time, so that a wrong one is named."""
    for name, dimension in space.items():
        try:
            for value in values(dimension) if search.kind == "grid" else bounds(dimension):
                make({name: value})
        except UsageError as error:
            raise UsageError(f"{owner}.{name}: {error}") from None


def parse_override(text: str) -> tuple[str, Any]:
    """Splits ``training.epochs=2`` into its path and its value, read as YAML.

    Raises:
        UsageError: There is no ``=``.
    """
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise UsageError(f"--set takes path.to.key=value, not {text!r}")
    parsed = yaml.safe_load(value)
    if isinstance(parsed, float) and math.isnan(parsed):
        raise UsageError(f"--set {path}: NaN is not a value")
    return path, parsed
