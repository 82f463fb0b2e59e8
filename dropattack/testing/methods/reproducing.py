"""Model, batch, the task's generator and the method's state alone decide what a step does."""

import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dropattack.testing.methods.cases import Case, MethodCases, moved
from dropattack.testing.methods.models import parameters_of, standing

GENERATORS: dict[str, Callable[[], Any]] = {
    "torch": lambda: torch.get_rng_state().tolist(),
    "random": random.getstate,
    "numpy": lambda: [str(part) for part in np.random.get_state()],
}
"""State of the generators that are not the task's."""


def trained(case: Case, seed: int, elsewhere: int = 0) -> dict[str, torch.Tensor]:
    """Parameters after three steps, with other generators seeded by ``elsewhere``."""
    model = case.model()
    batches = [model.batch() for _ in range(3)]
    method = case.on(model, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for number, batch in enumerate(batches):
        torch.manual_seed(elsewhere + number)
        random.seed(elsewhere + number)
        np.random.seed(elsewhere + number)
        method.step(model, batch, optimizer)
    return parameters_of(model)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether all parameters agree bit for bit."""
    return all(torch.equal(value, other[name]) for name, value in one.items())


class Reproducing(MethodCases):
    """See the module."""

    def test_a_seed_decides_everything(self, case: Case) -> None:
        one = trained(case, 1)
        assert same(one, trained(case, 1)), "one seed gives two results"
        assert same(one, trained(case, 1, elsewhere=99)), (
            "a step draws from a generator that others draw from too; draw from `self.task.generator`"
        )

    def test_other_generators_are_left_alone(self, case: Case) -> None:
        model = case.model()
        batch, method = model.batch(), case.on(model)
        before = {name: state() for name, state in GENERATORS.items()}
        method.step(model, batch, standing(model))
        changed = [name for name, state in GENERATORS.items() if state() != before[name]]
        assert not changed, f"a step draws from the generator of {', '.join(changed)}"

    def test_state_round_trips(self, case: Case) -> None:
        """As a checkpoint does: through torch's file format without arbitrary objects."""
        model = case.model()
        method = case.on(model)
        batches = [model.batch(size) for size in (5, 4, 5)]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for batch in batches[:2]:
            method.step(model, batch, optimizer)
        file = io.BytesIO()
        torch.save({"model": model.state_dict(), "method": method.state_dict()}, file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        other = case.model()
        other.load_state_dict(saved["model"])
        resumed = case.on(other, seed=7)
        resumed.load_state_dict(saved["method"])
        assert method.task.generator is not None
        assert resumed.task.generator is not None
        resumed.task.generator.set_state(method.task.generator.get_state())
        resumed.steps = method.steps
        method.step(model, batches[2], optimizer)
        resumed.step(other, batches[2], torch.optim.SGD(other.parameters(), lr=0.1))
        left = moved(parameters_of(model), other)
        assert not left, f"resumed from its `state_dict`, a step gives other values of {', '.join(left)}"
        assert method.state or not saved["method"], "`state_dict` is not empty; say in `state` what it keeps"

    def test_a_state_does_not_change_with_what_follows(self, case: Case) -> None:
        model = case.model()
        method = case.on(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        method.step(model, model.batch(), optimizer)
        kept = method.state_dict()
        before = [tensor.clone() for tensor in _tensors(kept)]
        method.step(model, model.batch(), optimizer)
        assert all(map(torch.equal, before, _tensors(kept))), "`state_dict` must hold copies"


def _tensors(state: Any) -> list[torch.Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(state) if isinstance(leaf, torch.Tensor)]
