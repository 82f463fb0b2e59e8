"""The cases of the contract of methods: every set of hyperparameters on every model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import pytest
import torch
from torch import nn
from typing_extensions import override

import dropattack
from dropattack.testing.methods.models import Attention, Layered, Model, Normalised, Recurrent, Tied, make


@dataclass(frozen=True)
class Case:
    """A method with its hyperparameters on one kind of model."""

    method: str
    values: Mapping[str, Any]
    kind: type[Model]
    device: str = "cpu"

    def model(self, **options: Any) -> Model:
        """The model, the same for every call."""
        return make(self.kind, **options).to(self.device)

    def on(self, model: Model, seed: int = 0, **task: Any) -> dropattack.Method[Any]:
        """The method for a model, with a generator of ``seed``; ``task`` is further fields of `Task`."""
        generator = torch.Generator(self.device).manual_seed(seed)
        given = dropattack.Task(**{"names": model.names, "generator": generator, **task})
        return dropattack.create(self.method, task=given, **self.values)

    @override
    def __str__(self) -> str:
        values = ",".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.kind.__name__}-{values or 'defaults'}"


F = TypeVar("F", bound=Callable[..., None])


def about(*kinds: type[Model]) -> Callable[[F], F]:
    """Restricts a test to some kinds of models; a decorator."""

    def restricted(test: F) -> F:
        test.__dict__["kinds"] = kinds
        return test

    return restricted


class MethodCases:
    """Runs every test that asks for a ``case`` once for each set of hyperparameters on each kind of model.

    Attributes:
        method: Name of a registered method.
        hyperparameters: Sets of values to test it with. Targets may be ``input``, ``hidden`` and ``bias``,
            which every model has.
        models: Kinds of models to test it on; a method for images alone leaves the others out.
        idle: Values with which it attacks nothing and penalises nothing; ``None`` for a method without such.
        device: Device of models, batches and generators, such as ``cuda``.
        multiple: Its gradient with `idle`, as a multiple of the plain one; 1 + T for a sum of T attacks.
    """

    method: ClassVar[str]
    hyperparameters: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    models: ClassVar[Sequence[type[Model]]] = (Layered, Normalised, Recurrent, Attention, Tied)
    idle: ClassVar[Mapping[str, Any] | None] = None
    multiple: ClassVar[float] = 1.0
    device: ClassVar[str] = "cpu"

    @pytest.fixture(autouse=True)
    def _on_one_thread(self) -> Iterator[None]:
        """The models are too small to share: waking threads costs more than the work."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Pytest's hook."""
        if "case" in metafunc.fixturenames:
            kinds = [k for k in self.models if k in getattr(metafunc.function, "kinds", self.models)]
            cases = [
                Case(self.method, values, kind, self.device)
                for kind in kinds
                for values in self.hyperparameters
            ]
            metafunc.parametrize("case", cases, ids=str)


def moved(before: Mapping[str, torch.Tensor], model: nn.Module) -> list[str]:
    """Names of the parameters that no longer have the bits they had, or are gone."""
    now = dict(model.named_parameters())
    return [name for name, value in before.items() if name not in now or not torch.equal(value, now[name])]
