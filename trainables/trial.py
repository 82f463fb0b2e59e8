"""A trial as pure data: everything that decides its result, and the key that names it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dropattack import method_named
from trainables.data.cache import digest
from trainables.recipe.settings import TrainingSettings
from trainables.workloads import workload_named

TRAINING_VERSION = 5
"""Raised by every change that alters what a trial computes; recorded results of other versions stay apart."""


@dataclass(frozen=True)
class Trial:
    """One training: a pure function of these fields.

    Attributes:
        workload: Name of the workload.
        method: Name of the method.
        hyperparameters: The method's settings, complete and canonical.
        training: The training settings, complete.
        data: The dataset's settings, complete.
        model: The model's settings, complete.
        seed: Decides initialisation, shuffling, masks and training subset, the same for every method, so that
            trials of one seed are pairs.
        checksum: Digest of the data.
        version: `TRAINING_VERSION` at the time.
    """

    workload: str
    method: str
    hyperparameters: Mapping[str, Any]
    training: Mapping[str, Any]
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    seed: int
    checksum: str
    version: int = field(default=TRAINING_VERSION)

    @classmethod
    def make(
        cls,
        workload: str,
        method: str,
        hyperparameters: Mapping[str, Any],
        training: TrainingSettings,
        seed: int,
        checksum: str,
        data: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
    ) -> "Trial":
        """Builds a trial with all defaults filled in, so that equal settings have equal keys.

        Args:
            workload: Name of the workload.
            method: Name of the method.
            hyperparameters: The method's settings that differ from its defaults.
            training: The training settings.
            seed: See `Trial`.
            checksum: `Workload.checksum` under the options in ``data``.
            data: The dataset's settings that differ from the workload's defaults.
            model: The model's settings that differ from the workload's defaults.

        Raises:
            UsageError: A name is unknown or a value out of range.
        """
        found = workload_named(workload)
        found.check_training(training, model)
        return cls(
            workload=workload,
            method=method,
            hyperparameters=found.method_settings(method, hyperparameters, model).to_dict(),
            training=training.to_dict(),
            data=found.data_settings(data).to_dict(),
            model=found.model_settings(model).to_dict(),
            seed=seed,
            checksum=checksum,
        )

    @cached_property
    def key(self) -> str:
        """A short name that equal trials share and different trials do not."""
        return digest(self.to_dict())

    def seed_for(self, purpose: str) -> int:
        """A seed for one purpose: the same for every method, so that trials of one seed are pairs."""
        return int(digest(self.seed, purpose), 16) % 2**63

    @cached_property
    def passes(self) -> int:
        """Forward-backward passes per step, those for making adversarial examples included."""
        method = method_named(self.method).settings_type.from_dict(dict(self.hyperparameters))
        return TrainingSettings.from_dict(dict(self.training)).passes_of(method)

    @property
    def is_control(self) -> bool:
        """Whether it is a control experiment, which is no candidate for anything.

        By its setting ``control``, by an ε of 0, or as standard training with several passes per step.
        """
        settings = self.hyperparameters
        longer = self.method == "standard" and settings.get("rounds", 1) > 1
        return bool(settings.get("control", "none") != "none" or settings.get("epsilon") == 0 or longer)

    def options(self) -> dict[str, Any]:
        """Settings of training, data and model under one dotted name each, such as ``training.epochs``."""
        sections = {"training": self.training, "data": self.data, "model": self.model}
        return {f"{section}.{name}": value for section, o in sections.items() for name, value in o.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            "workload": self.workload,
            "method": self.method,
            "hyperparameters": dict(self.hyperparameters),
            "training": dict(self.training),
            "data": dict(self.data),
            "model": dict(self.model),
            "seed": self.seed,
            "checksum": self.checksum,
            "version": self.version,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Trial":
        """Takes back what `to_dict` gave."""
        return cls(**values)
