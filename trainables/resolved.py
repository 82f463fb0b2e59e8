"""A trial's method, workload and settings as objects, from its plain values."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from dropattack import Method, Settings, method_named
from dropattack.imported import given_only
from trainables.architecture import Architecture
from trainables.recipe.settings import TrainingSettings
from trainables.usercode import user_code
from trainables.workload import Workload
from trainables.workloads import workload_named

Values = Mapping[str, Any]


class Resolved:
    """Looks each object up when it is first used; see `trainables.trial.Trial` for the arguments.

    For a trial that was ``read`` from a file, it imports only code that a person gave.

    Raises:
        UsageError: On first use of an object whose name or value is unknown.
    """

    def __init__(
        self,
        workload: str,
        method: str,
        hyperparameters: Values,
        training: Values,
        data: Values,
        model: Values,
        *,
        read: bool,
    ) -> None:
        self._read = read
        self._names = (workload, method)
        self._hyperparameters = hyperparameters
        self._training = training
        self._data = data
        self._model = model

    @cached_property
    def workload(self) -> Workload:
        """The workload."""
        with self._held():
            return workload_named(self._names[0])

    @cached_property
    def method(self) -> type[Method[Any]]:
        """The method."""
        with self._held():
            return method_named(self._names[1])

    @cached_property
    def settings(self) -> Settings:
        """The method's settings, in the spelling of the values."""
        found: Settings = self.method.settings_type.from_dict(self._hyperparameters)
        return found

    @cached_property
    def training(self) -> TrainingSettings:
        """The training settings."""
        return TrainingSettings.from_dict(self._training)

    @cached_property
    def data(self) -> Settings:
        """The dataset's settings; the workload's defaults for missing values."""
        return self.workload.data_settings(self._data)

    @cached_property
    def architecture(self) -> Architecture:
        """The model's settings; the workload's defaults for missing values."""
        return self.workload.model_settings(self._model, self._data)

    @cached_property
    def code(self) -> dict[str, str]:
        """Digests of the present code; see `user_code`."""
        with self._held():
            return user_code(*self._names)

    def _held(self) -> AbstractContextManager[None]:
        return given_only() if self._read else nullcontext()
