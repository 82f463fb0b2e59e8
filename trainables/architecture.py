"""A model before there are data: its sizes, how to build it, and the names of its targets."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from dropattack import INPUT, Settings
from trainables.data.dataset import Data


@dataclass(frozen=True, kw_only=True)
class Architecture(Settings, ABC):
    """A model's settings, which build it. Subclasses declare the settings, `build` and `targets`.

    Examples:
        >>> from dropattack import setting
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Linear(Architecture):
        ...     bias: bool = setting(True, "Whether to add a bias.")
        ...
        ...     def build(self, data):
        ...         return nn.Sequential(nn.Flatten(), nn.Linear(784, data.classes, bias=self.bias))
        ...
        ...     @property
        ...     def targets(self):
        ...         return named({"fc": "1"}, bias=self.bias)
        >>> Linear().targets
        {'fc.w': '1.weight', 'fc.b': '1.bias'}
    """

    @abstractmethod
    def build(self, data: Data) -> nn.Module:
        """Builds an untrained model for ``data``; draws from torch's default generator."""

    @property
    @abstractmethod
    def targets(self) -> Mapping[str, str]:
        """Readable target name to parameter name, in order of depth from the input.

        ``input`` stands for the batch itself unless it is mapped to a parameter, as text models map it to
        their embedding matrix.
        """

    def on(self, data: Settings) -> "Architecture":
        """These settings for such data; override it where the names of targets depend on the data.

        Args:
            data: The dataset's settings, complete.
        """
        return self

    def check(self) -> None:
        """Checks that the model can be built.

        Raises:
            UsageError: A library that it needs is not installed.
        """

    @property
    def norms(self) -> Collection[str] | None:
        """Targets that belong to normalisation layers; ``None`` where their names show it."""
        return None

    @property
    def words(self) -> bool:
        """Whether the model reads words, and ``input`` stands for their embedding matrix."""
        return INPUT in self.targets


def named(layers: Mapping[str, str], bias: bool = True) -> dict[str, str]:
    """Targets of layers that have a weight and, usually, a bias: ``{"conv1": "features.0"}`` and so on."""
    kinds = (("w", "weight"), ("b", "bias")) if bias else (("w", "weight"),)
    return {f"{name}.{short}": f"{path}.{full}" for name, path in layers.items() for short, full in kinds}


def papers_spelling(name: str, valid: Iterable[str]) -> str:
    """Turns a target in the papers' spelling into one of ``valid``; returns other names unchanged.

    The tables write ``Embedding``, ``Conv.1.w``, ``BatchNorm.8.w``, ``Fc.1`` (the weight of a layer, where
    no letter says which) and, once each, ``Conv1.w`` and ``fc1.w2``; the last is taken as a slip for
    ``fc1.w``.

    Examples:
        >>> papers_spelling("BatchNorm.8.w", ["bn8.w", "bn8.b"])
        'bn8.w'
    """
    names = list(valid)
    if name in names:
        return name
    spelling = name.lower().replace("batchnorm", "bn")
    spelling = INPUT if spelling == "embedding" else spelling
    spelling = re.sub(r"^([a-z]+)\.(\d+)", r"\1\2", re.sub(r"\.w2$", ".w", spelling))
    for candidate in (spelling, f"{spelling}.w"):
        if candidate in names:
            return candidate
    return name
