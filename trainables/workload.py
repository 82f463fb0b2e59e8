"""A workload: a dataset, a model, its targets and its default training settings under one name."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from dropattack import INPUT, Settings, UsageError, canonical_targets, method_named, parse_targets
from dropattack.errors import unknown
from dropattack.raised import described
from dropattack.robustness import Case
from trainables.adapters.model import Builder, model_of
from trainables.architecture import Architecture, papers_spelling
from trainables.data.dataset import Data, Dataset
from trainables.data.place import data_root
from trainables.objectives import Classification, Objective
from trainables.recipe.augmentation import AUGMENTATIONS, NONE, Augmentation
from trainables.recipe.examples import CLEAN
from trainables.recipe.settings import TrainingSettings
from trainables.recipe.splitting import FIXED, LEAVE_ONE_GROUP_OUT, REDRAWN
from trainables.target_sets import expanded

S = TypeVar("S", bound=Settings)
_SUCH = {"objective": "Regression()", "training": "TrainingSettings(epochs=10)"}


@dataclass(frozen=True)
class Workload:
    """A dataset, a model and training settings that a sweep trains.

    Attributes:
        name: Name in sweep files.
        summary: One line for people.
        dataset: The source of the data.
        architecture: The model, in its default sizes.
        data: Default settings of the dataset; ``None`` for the dataset's own.
        training: Default training settings.
        augmentations: Further values of ``training.augment``, such as ``{"noise": my_noise}``: each maps a
            batch of the model's inputs to another, and draws from torch's default generator.
        objective: The loss that it trains with, and its metrics of a split.
        model: A function that builds the model, instead of ``architecture``: ``lambda data, width=64: …``.
            Its keyword defaults are settings that a sweep may search under ``model:``.

    Raises:
        UsageError: There is no dataset, or neither or both of ``architecture`` and ``model``.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from trainables import Tensors
        >>> data = Tensors(torch.randn(90, 4), torch.arange(90) % 3)
        >>> mine = Workload(
        ...     dataset=data, model=lambda data, width=8: nn.Linear(data.features, data.classes)
        ... )
        >>> mine.target_names()
        ['input', 'weight', 'bias']
    """

    name: str = ""
    summary: str = ""
    dataset: Dataset = field(default=cast(Dataset, None))
    architecture: Architecture = field(default=cast(Architecture, None))
    data: Settings | None = None
    training: TrainingSettings = field(default_factory=TrainingSettings)
    augmentations: Mapping[str, Augmentation] = field(default_factory=dict)
    objective: Objective = field(default_factory=Classification)
    model: InitVar[Builder | None] = None

    def __post_init__(self, model: Builder | None) -> None:
        if not isinstance(self.dataset, Dataset):
            raise UsageError("a Workload needs a dataset, such as Tensors(inputs, labels)")
        for name, kind in (("objective", Objective), ("training", TrainingSettings)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise UsageError(
                    f"a Workload's {name} is a {kind.__name__}, such as {_SUCH[name]}, not {value!r}"
                )
        if (model is None) == (self.architecture is None):
            raise UsageError("a Workload needs either model, a function that builds it, or architecture")
        if model is not None:
            object.__setattr__(self, "architecture", model_of(model, self._sample, self.dataset.words))
        object.__setattr__(self, "architecture", self.architecture.on(self.data_settings()))
        if not self.summary:
            object.__setattr__(self, "summary", f"a model of yours on {self.dataset.name}")

    def _sample(self, data: Settings) -> Data:
        """Data to build a model for, only to read its parameters' names."""
        return self.load(data_root(), data.to_dict())

    def data_settings(self, options: Mapping[str, Any] | None = None) -> Settings:
        """The dataset's settings: ``options`` where given, this workload's defaults elsewhere.

        Raises:
            UsageError: An option is unknown or out of range.
        """
        return self._completed("data", self.data or self.dataset.settings_type(), options)

    def model_settings(
        self, options: Mapping[str, Any] | None = None, data: Mapping[str, Any] | None = None
    ) -> Architecture:
        """The model's settings: ``options`` where given, this workload's defaults elsewhere.

        Args:
            options: Values by name.
            data: The dataset's settings, see `data_settings`; the names of targets may depend on them.

        Raises:
            UsageError: An option is unknown or out of range.
        """
        found = self._completed("model", self.architecture, options)
        return found.on(self.data_settings(data)) if data else found

    def check_training(self, training: TrainingSettings, model: Architecture | None = None) -> None:
        """Refuses training settings that do not apply to this workload's inputs or objective.

        Raises:
            UsageError: They make adversarial examples of texts, attack texts in a way for images, attack a
                model that does not classify, smooth or balance labels that are no classes, leave out a group
                of data without groups, or select by a metric that is not measured, such as binary F1 without
                a positive class.
        """
        if training.best_by == "f1" and self.objective.classifies and self.dataset.positive is None:
            raise UsageError(
                f"f1 needs a positive class, and {self.name} has none; use macro_f1, for all classes"
            )
        measured = (*self.objective.names, *(case.metric for case in training.cases))
        if training.best_by not in measured:
            raise unknown(f"metric of {self.name}", training.best_by, measured)
        if not self.objective.classifies and (training.cases or training.examples != CLEAN):
            what = "robustness" if training.cases else "examples"
            raise UsageError(f"training.{what} attacks classifiers, and {self.name} does not classify")
        if training.label_smoothing and not self.objective.smooths:
            raise UsageError(
                f"training.label_smoothing spreads labels over classes, and {self.name} has none to spread "
                "them over; leave it at 0"
            )
        if training.balanced and not self.objective.classifies:
            raise UsageError(
                f"training.balanced counts classes, and {self.name} does not classify; leave it at false"
            )
        if training.split == LEAVE_ONE_GROUP_OUT and not self.dataset.grouped:
            raise UsageError(
                f"training.split {training.split} needs a group of each example, and the data of {self.name} "
                f"name none; set it to {REDRAWN} or {FIXED}"
            )
        (model or self.architecture).check()
        named = {"augment": NONE, "examples": CLEAN, "robustness": ""} if self.dataset.inputs else {}
        if changed := [name for name, usual in named.items() if getattr(training, name) != usual]:
            raise UsageError(
                f"training.{changed[0]} changes one input, and {self.name} has several; leave it out"
            )
        self.check_cases(training.cases, model)
        words = (model or self.architecture).words
        self.augmentation(training.augment)
        if not words:
            return
        if training.augment != NONE:
            raise UsageError(f"training.augment {training.augment} is for images, and {self.name} has texts")
        if training.examples != CLEAN:
            raise UsageError(
                f"training.examples {training.examples} needs continuous inputs, and {self.name} has texts; "
                "attack the embedding with a method such as fgm instead"
            )

    def check_cases(self, cases: Sequence[Case], model: Architecture | None = None) -> None:
        """Refuses attacks that this workload's models cannot be tested with.

        Raises:
            UsageError: They need images, and this workload has texts; they need classes, and it has none; or
                an ε exceeds the whole range of a pixel.
        """
        if cases and not self.objective.classifies:
            raise UsageError(f"attacks are for classifiers, and {self.name} does not classify")
        words = (model or self.architecture).words
        for case in cases:
            if not words and case.attack.ball == "linf" and case.epsilon > 1:
                raise UsageError(
                    f"ε {case.epsilon:g} of {case.name} exceeds 1, the whole range of the inputs; "
                    f"for {case.epsilon:g} of 255 set {case.epsilon / 255:.3g}"
                )
            if words and (case.attack.for_images or case.transfer):
                raise UsageError(f"the attack {case.name} needs continuous inputs, and {self.name} has texts")

    def augmentation(self, name: str) -> Augmentation | None:
        """The augmentation of that name; ``None`` for ``none``.

        Raises:
            UsageError: There is no augmentation of that name.
        """
        known = {**AUGMENTATIONS, **self.augmentations}
        if name == NONE:
            return None
        if name not in known:
            raise unknown("value of augment", name, [NONE, *known])
        return known[name]

    def checksum(self, root: Path, options: Mapping[str, Any] | None = None) -> str:
        """Computes the digest of the data under these options; see `Dataset.checksum`."""
        return self.dataset.checksum(root, self.data_settings(options))

    def incomplete(self, root: Path, options: Mapping[str, Any] | None = None) -> str:
        """The part that is here of the published data under these options; see `Dataset.incomplete`."""
        return self.dataset.incomplete(root, self.data_settings(options))

    def load(self, root: Path, options: Mapping[str, Any] | None = None) -> Data:
        """Loads the data under these options; see `Dataset.load`.

        Raises:
            UsageError: They are missing, or loading them raises an error.
        """
        settings = self.data_settings(options)
        try:
            return self.dataset.load(root, settings)
        except (UsageError, OSError, MemoryError):
            raise
        except Exception as error:
            raise UsageError(f"the data of {self.name} cannot be loaded: {described(error)}") from error

    @property
    def targets(self) -> Mapping[str, str]:
        """Target names to parameter names, for the model in its default sizes."""
        return self.architecture.targets

    def target_names(self, model: Architecture | None = None) -> list[str]:
        """Every name that a set of targets may contain; by default for the model in its default sizes."""
        inputs = [f"{INPUT}.{name}" for name in self.dataset.inputs]
        return list(dict.fromkeys([INPUT, *inputs, *(model or self.architecture).targets]))

    def canonical_targets(self, text: str, model: Architecture | None = None) -> str:
        """The one spelling of a set of targets, with patterns and groups replaced by their targets.

        It also accepts the papers' own spellings.

        Raises:
            UsageError: The model has no such target, or none that matches a pattern or group.

        Examples:
            >>> from trainables.workloads import workload_named
            >>> workload_named("mnist-lenet5").canonical_targets("Conv.1.w+Input")
            'input+conv1.w'
        """
        valid = self.target_names(model)
        targets = (model or self.architecture).targets
        spelt = [papers_spelling(name, valid) for name in parse_targets(text)]
        norms = (model or self.architecture).norms if "norms" in spelt else None
        sets = [expanded(name, targets, valid, self.name, norms) for name in spelt]
        several = any(len(names) > 1 for names in sets)
        names = [name for names in sets for name in names]
        return canonical_targets("+".join(dict.fromkeys(names) if several else names))

    def method_settings(
        self, method: str, hyperparameters: Mapping[str, Any], model: Architecture | None = None
    ) -> Settings:
        """A method's settings, complete, with targets in the one spelling of this model.

        Args:
            method: Name of the method.
            hyperparameters: Those that differ from the method's defaults.
            model: The model; in its default sizes by default.

        Raises:
            UsageError: A name is unknown, a value is out of range or of the pixels' range, or is for images
                where the workload has texts; or the method compares distributions, and there are none.
        """
        settings: Settings = method_named(method).settings_type.from_dict(dict(hyperparameters))
        if settings.needs_pixels and (model or self.architecture).words:
            raise UsageError(f"clamp keeps pixels in their range, and {self.name} has texts; leave it out")
        settings.check_pixels()
        if settings.needs_distribution and self.objective.log_probabilities is None:
            raise UsageError(
                f"{method} compares distributions over classes, and {self.name} predicts none; leave it out"
            )
        sets = {name: self.canonical_targets(text, model) for name, text in settings.target_sets.items()}
        return settings if sets == settings.target_sets else dataclasses.replace(settings, **sets)

    def _completed(self, kind: str, defaults: S, options: Mapping[str, Any] | None) -> S:
        for name in options or {}:
            if name not in defaults.ranges():
                raise unknown(f"{kind} setting of {self.name}", name, defaults.ranges())
        return type(defaults).from_dict({**defaults.to_dict(), **(options or {})})
