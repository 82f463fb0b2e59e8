"""Workloads: a dataset, a model, its targets and the papers' training settings under one name."""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from dropattack import INPUT, Settings, UsageError, canonical_targets, method_named, parse_targets, setting
from dropattack.errors import unknown
from dropattack.robustness import Case, canonical_grid, parse_grid
from trainables.architecture import Architecture, papers_spelling
from trainables.data import Data, Dataset
from trainables.examples import BATCHES, CLEAN
from trainables.metrics import PLAIN_METRICS
from trainables.precision import PRECISIONS

ENTRY_POINTS = "dropattack.workloads"
"""Group in which an installed package offers workloads: each entry a `Workload` or a function giving one."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """How a trial trains, whatever the method; the defaults are the paper's (section 4.2)."""

    epochs: int = setting(10, "Passes over the training split; the budget that ASHA cuts.", low=1)
    batch_size: int = setting(128, "Examples per step.", low=1)
    learning_rate: float = setting(1e-3, "Adam's learning rate.", low=0)
    train_size: int = setting(0, "Training examples, stratified and nested by seed; 0 for all.", low=0)
    best_by: str = setting(
        "accuracy",
        "Validation metric of the best epoch, whose model is tested; a sweep sets what it selects by. "
        "accuracy, loss, macro_f1, f1, or one of robustness such as pgd-20_0.3_accuracy, then measured "
        "after every epoch.",
    )
    balanced: bool = setting(False, "Whether train_size takes equally many examples of every class.")
    examples: str = setting(
        "clean",
        "What every step trains on: the batch, its FGSM examples alone, or both (scenarios 1 to 3 of the "
        "APB paper).",
        choices=tuple(BATCHES),
    )
    examples_epsilon: float = setting(
        0.3, "ε of those FGSM examples, in pixel units; idle with clean.", low=0, high=1
    )
    robustness: str = setting(
        "",
        "Attacks and their ε to test the best model with, as fgsm:0.1,0.3+pgd-20-of-1000:0.3, where "
        "-of- limits the examples; empty for none.",
    )
    precision: str = setting(
        "float32",
        "Arithmetic of matrix products: float32, tf32 (on a GPU), or bfloat16 in the passes of a step.",
        choices=PRECISIONS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "robustness", canonical_grid(self.robustness))
        transferred = [case.name for case in self.cases if case.transfer]
        if transferred:
            raise UsageError(
                f"robustness cannot hold {transferred[0]}, which needs another model; "
                "`dropattack robustness` adds it to trained ones"
            )
        valid = (*PLAIN_METRICS, *(case.metric for case in self.cases))
        if self.best_by not in valid:
            raise unknown("metric to select by", self.best_by, valid)

    @property
    def cases(self) -> list[Case]:
        """What `robustness` asks for."""
        return parse_grid(self.robustness)

    @property
    def best_case(self) -> Case | None:
        """The case that `best_by` names, where it names one."""
        return next((case for case in self.cases if case.metric == self.best_by), None)

    def passes_of(self, method: Settings) -> int:
        """Forward-backward passes per step of a method on these examples, making them included."""
        return BATCHES[self.examples] * method.passes + (self.examples != CLEAN) * method.rounds


@dataclass(frozen=True)
class Workload:
    """What a sweep trains.

    Attributes:
        name: Name in sweep files.
        summary: One line for people.
        dataset: Where the data come from.
        architecture: The model, in its default sizes.
        data: Default settings of the dataset; ``None`` for the dataset's own.
        training: Default training settings.
    """

    name: str
    summary: str
    dataset: Dataset
    architecture: Architecture
    data: Settings | None = None
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def data_settings(self, options: Mapping[str, Any] | None = None) -> Settings:
        """The dataset's settings: ``options`` where given, this workload's defaults elsewhere.

        Raises:
            UsageError: An option is unknown or out of range.
        """
        return self._completed("data", self.data or self.dataset.settings_type(), options)

    def model_settings(self, options: Mapping[str, Any] | None = None) -> Architecture:
        """The model's settings: ``options`` where given, this workload's defaults elsewhere.

        Raises:
            UsageError: An option is unknown or out of range.
        """
        return self._completed("model", self.architecture, options)

    def check_training(self, training: TrainingSettings, model: Mapping[str, Any] | None = None) -> None:
        """Refuses training settings that mean nothing for this workload's inputs or classes.

        Raises:
            UsageError: They make adversarial examples of texts, attack texts in a way for images, or go by
                binary F1 where no class is the positive one.
        """
        if training.best_by == "f1" and self.dataset.positive is None:
            raise UsageError(
                f"f1 needs a positive class, and {self.name} has none; macro_f1 is for all classes"
            )
        if INPUT not in self.model_settings(model).targets:
            return
        if training.examples != CLEAN:
            raise UsageError(
                f"training.examples {training.examples} needs continuous inputs, and {self.name} has texts; "
                "attack the embedding with a method such as fgm instead"
            )
        self.check_cases(training.cases, model)

    def check_cases(self, cases: Sequence[Case], model: Mapping[str, Any] | None = None) -> None:
        """Refuses attacks that this workload's models cannot be tested with.

        Raises:
            UsageError: They need images, and this workload has texts.
        """
        if INPUT not in self.model_settings(model).targets:
            return
        for case in cases:
            if case.attack.family == "square" or case.transfer:
                raise UsageError(f"the attack {case.name} needs continuous inputs, and {self.name} has texts")

    def checksum(self, root: Path, options: Mapping[str, Any] | None = None) -> str:
        """Digest of the data under these options; see `Dataset.checksum`."""
        return self.dataset.checksum(root, self.data_settings(options))

    def load(self, root: Path, options: Mapping[str, Any] | None = None) -> Data:
        """The data under these options; see `Dataset.load`."""
        return self.dataset.load(root, self.data_settings(options))

    @property
    def targets(self) -> Mapping[str, str]:
        """Target names to parameter names, for the model in its default sizes."""
        return self.architecture.targets

    def target_names(self, model: Mapping[str, Any] | None = None) -> list[str]:
        """Every name that may stand in a set of targets; ``model`` holds the model's options."""
        return list(dict.fromkeys([INPUT, *self.model_settings(model).targets]))

    def canonical_targets(self, text: str, model: Mapping[str, Any] | None = None) -> str:
        """The one spelling of a set of targets, the papers' own spellings included.

        Raises:
            UsageError: The model has no such target.

        Example:
            >>> workload_named("mnist-lenet5").canonical_targets("Conv.1.w+Input")
            'input+conv1.w'
        """
        valid = self.target_names(model)
        names = [papers_spelling(name, valid) for name in parse_targets(text)]
        for name in names:
            if name not in valid:
                raise unknown(f"target of {self.name}", name, valid)
        return canonical_targets("+".join(names))

    def method_settings(
        self, method: str, hyperparameters: Mapping[str, Any], model: Mapping[str, Any] | None = None
    ) -> Settings:
        """A method's settings, complete, with targets in the one spelling that this model has for them.

        Args:
            method: Its name.
            hyperparameters: Those that differ from the method's defaults.
            model: The model's options.

        Raises:
            UsageError: A name is unknown, a value out of range, or meant for images where there are texts.
        """
        settings: Settings = method_named(method).settings_type.from_dict(dict(hyperparameters))
        if settings.needs_pixels and INPUT in self.model_settings(model).targets:
            raise UsageError(f"clamp keeps pixels in their range, and {self.name} has texts; leave it out")
        sets = {name: self.canonical_targets(text, model) for name, text in settings.target_sets.items()}
        return dataclasses.replace(settings, **sets)

    def _completed(self, kind: str, defaults: Any, options: Mapping[str, Any] | None) -> Any:
        for name in options or {}:
            if name not in defaults.ranges():
                raise unknown(f"{kind} setting of {self.name}", name, defaults.ranges())
        return type(defaults).from_dict({**defaults.to_dict(), **(options or {})})


_WORKLOADS: dict[str, Workload] = {}


def register_workload(workload: Workload) -> Workload:
    """Makes a workload known by its name."""
    if workload.name in _WORKLOADS:
        raise UsageError(f"workload {workload.name!r} is registered twice")
    _WORKLOADS[workload.name] = workload
    return workload


def workloads() -> Mapping[str, Workload]:
    """Every workload that ships or that an installed package offers, by name."""
    _discover()
    return _WORKLOADS


def workload_named(name: str) -> Workload:
    """The workload of that name.

    Args:
        name: A registered name, or ``module:function`` for a function that returns a workload, which is
            named by that text from then on.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if ":" in name:
        return _imported(name)
    if name not in workloads():
        raise unknown("workload", name, workloads())
    return _WORKLOADS[name]


@cache
def _imported(name: str) -> Workload:
    """The workload that ``module:function`` gives, under that name."""
    module_name, _, function = name.partition(":")
    if not module_name or not function:
        raise UsageError(f"workload {name!r} must read module:function")
    try:
        found = getattr(importlib.import_module(module_name), function)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"workload {name!r}: there is no module {error.name!r}; is its folder on PYTHONPATH?"
        ) from error
    except AttributeError as error:
        raise UsageError(f"workload {name!r}: module {module_name!r} has no {function!r}") from error
    workload = found if isinstance(found, Workload) else found()
    if not isinstance(workload, Workload):
        raise UsageError(f"workload {name!r} must give a Workload, not {type(workload).__name__}")
    return Workload(**{**vars(workload), "name": name})


@cache
def _discover() -> None:
    """Registers what ships with this package and what installed packages offer."""
    importlib.import_module("trainables.papers")
    for entry in entry_points(group=ENTRY_POINTS):
        found = entry.load()
        register_workload(found if isinstance(found, Workload) else found())
