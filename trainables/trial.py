"""A trial as pure data: everything that decides its result, and the key that names what it computes.

Reading a trial from a record imports no torch. The first use of its method, workload or settings looks these
up, and imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from dropattack import Settings
from trainables.digest import digest

if TYPE_CHECKING:
    from trainables.architecture import Architecture
    from trainables.objectives import Objective
    from trainables.recipe.augmentation import Augmentation
    from trainables.recipe.settings import TrainingSettings
    from trainables.resolved import Resolved
    from trainables.workload import Workload

TRAINING_VERSION = 6
"""Every change that alters what a trial computes raises it, so that results of other versions stay apart."""

_KINDS: Mapping[type, tuple[str, ...]] = {
    str: ("workload", "method", "checksum"),
    int: ("seed", "version"),
    Mapping: ("hyperparameters", "training", "data", "model", "code"),
}
"""Fields by their type."""

_MEASURED = ("robustness", "test")
"""Training settings that decide the measurements alone, and not the training."""


class Identity(NamedTuple):
    """The names by which trials are counted, paired and compared.

    Attributes:
        key: Two trials share it exactly if they compute the same.
        configuration: Trials share it if they differ only in their seed or in measurements.
        control: The control experiment that it is; empty for none. No choice picks a control.
    """

    key: str
    configuration: str
    control: str


@dataclass(frozen=True)
class Trial:
    """One training: a pure function of these fields.

    Trials that compute the same have one `key`, whatever the spelling of their settings: p = 0 and
    ``standard`` are one training under two names.

    Attributes:
        workload: Name of the workload.
        method: Name of the method.
        hyperparameters: The method's settings, complete, in the spelling of the request.
        training: The training settings, complete.
        data: The dataset's settings, complete.
        model: The model's settings, complete.
        seed: Decides initialisation, shuffling, masks and training subset, the same for every method, so that
            trials of one seed are pairs.
        checksum: Digest of the data.
        version: `TRAINING_VERSION` at the time.
        code: Digest by module of a user's own code; empty if all code ships.
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
    code: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        workload: str,
        method: str,
        hyperparameters: Mapping[str, Any],
        training: "TrainingSettings",
        seed: int,
        checksum: str,
        data: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
    ) -> "Trial":
        """Builds a trial with all defaults filled in, of the present code.

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
            UsageError: A name is unknown or a value out of range, or the source of a definition does not
                decide what it computes.
        """
        found = _resolved(workload, method, hyperparameters, {}, data or {}, model or {})
        return cls.of(
            found.workload,
            method,
            found.workload.method_settings(method, hyperparameters, found.architecture),
            training,
            found.data,
            found.architecture,
            seed,
            checksum,
            found.code,
        )

    @classmethod
    def of(
        cls,
        workload: "Workload",
        method: str,
        settings: Settings,
        training: "TrainingSettings",
        data: Settings,
        architecture: "Architecture",
        seed: int,
        checksum: str,
        code: Mapping[str, str],
    ) -> "Trial":
        """Builds a trial from resolved settings, and keeps them; see `make`.

        Raises:
            UsageError: The training settings do not apply to this workload.
        """
        workload.check_training(training, architecture)
        trial = cls(
            workload=workload.name,
            method=method,
            hyperparameters=settings.to_dict(),
            training=training.to_dict(),
            data=data.to_dict(),
            model=architecture.to_dict(),
            seed=seed,
            checksum=checksum,
            code=dict(code),
        )
        # A frozen dataclass keeps cached properties in its dictionary: what is resolved stays resolved.
        vars(trial).update(
            settings=settings, training_settings=training, data_settings=data, architecture=architecture
        )
        return trial

    def under(self, training: "TrainingSettings") -> "Trial":
        """The same trial under other training settings, of the present code."""
        same = (self.seed, self.checksum, self.data, self.model)
        return Trial.make(self.workload, self.method, self.hyperparameters, training, *same)

    @cached_property
    def _resolved(self) -> "Resolved":
        return _resolved(
            self.workload,
            self.method,
            self.hyperparameters,
            self.training,
            self.data,
            self.model,
            read="_read" in vars(self),
        )

    @cached_property
    def settings(self) -> Settings:
        """The method's settings."""
        return self._resolved.settings

    @cached_property
    def training_settings(self) -> "TrainingSettings":
        """The training settings."""
        return self._resolved.training

    @cached_property
    def data_settings(self) -> Settings:
        """The dataset's settings."""
        return self._resolved.data

    @cached_property
    def architecture(self) -> "Architecture":
        """The model's settings, which build it."""
        return self._resolved.architecture

    @property
    def objective(self) -> "Objective":
        """The objective: the loss that it trains with and its metrics."""
        return self._resolved.workload.objective

    @property
    def augmentation(self) -> "Augmentation | None":
        """The augmentation of its training images; ``None`` for none."""
        return self._resolved.workload.augmentation(self.training_settings.augment)

    @cached_property
    def computed(self) -> Mapping[str, Any]:
        """The fields of this trial in the one spelling of all trials that compute the same.

        It leaves out settings at their frozen defaults, so that a new setting changes no key.
        """
        kind = self._resolved.method
        method, settings = kind.canonical(self.settings, self.architecture.words)
        return {
            "workload": self.workload,
            "method": self.method if method == kind.name else method,
            "hyperparameters": settings.stated(),
            "training": self.training_settings.canonical().stated(),
            "data": self.data_settings.stated(),
            "model": self.architecture.stated(),
            "seed": self.seed,
            "checksum": self.checksum,
            "version": self.version,
            "code": dict(self.code),
        }

    @cached_property
    def identity(self) -> Identity:
        """The names by which this trial is counted, paired and compared."""
        training = {n: v for n, v in self.computed["training"].items() if n not in _MEASURED}
        configuration = digest({**self.computed, "training": training, "seed": None})
        return Identity(digest(self.computed), configuration, self.settings.control_experiment)

    @property
    def key(self) -> str:
        """See `Identity.key`."""
        return self.identity.key

    @cached_property
    def spelling(self) -> str:
        """A short name of the trial as requested; several spellings may share one `key`.

        It leaves out settings at their frozen defaults, as the key does, so that a new setting changes none.
        """
        asked = {"hyperparameters": self.settings.stated(), "training": self.training_settings.stated()}
        return digest({**self.computed, "method": self.method, **asked})

    def seed_for(self, purpose: str) -> int:
        """A seed for one purpose, the same for every method, so that trials of one seed are pairs."""
        return int(digest(self.seed, purpose), 16) % 2**63

    def passes_until(self, epoch: int) -> float:
        """Forward-backward passes that a batch costs up to the end of an epoch; 0 before the first.

        They include those that make adversarial examples.
        """
        return self.training_settings.passes_of(self.settings, epoch)

    def passes_in(self, epoch: int) -> float:
        """Passes that a batch costs in one epoch, numbered from 1."""
        return self.passes_until(epoch) - self.passes_until(epoch - 1)

    @cached_property
    def passes_in_all(self) -> float:
        """Passes that a batch costs in the whole training."""
        return self.passes_until(self.training_settings.epochs)

    @property
    def passes(self) -> float:
        """Passes that a batch costs in an epoch, on average over the whole training."""
        return self.passes_in_all / self.training_settings.epochs

    def options(self) -> dict[str, Any]:
        """Settings of training, data and model under one dotted name each, such as ``training.epochs``.

        Training settings that have no effect beside the others are at their defaults.
        """
        training = self.training_settings.canonical().to_dict()
        sections = {"training": training, "data": self.data, "model": self.model}
        return {f"{section}.{name}": value for section, o in sections.items() for name, value in o.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in JSON."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in plain.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Trial":
        """Rebuilds a trial from `to_dict`; resolves its settings on first use.

        It imports only code that a person gave; see `dropattack.imported.give`.

        Raises:
            TypeError: A value is of another type.
        """
        trial = cls(**values)
        for kind, names in _KINDS.items():
            for name in names:
                if not isinstance(getattr(trial, name), kind):
                    raise TypeError(f"a trial's {name} is no {kind.__name__}")
        vars(trial)["_read"] = True
        return trial


def _resolved(
    workload: str,
    method: str,
    hyperparameters: Mapping[str, Any],
    training: Mapping[str, Any],
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    read: bool = False,
) -> "Resolved":
    from trainables.resolved import Resolved

    return Resolved(workload, method, hyperparameters, training, data, model, read=read)
