"""Models inside of other modules: the same step, under the same names."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from dropattack import Task, UsageError
from dropattack.testing.methods.models import Normalised
from dropattack.wrappers import own_name, unwrapped
from tests.dropattack.toys import HYPERPARAMETERS, Images, Texts, make, method_for

X, Y = torch.rand(4, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0])


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def trained(model: nn.Module, core: Any, name: str, batch: Any, steps: int = 2, **values: Any) -> Tensor:
    method = method_for(name, core, **values)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        method.step(model, batch, optimizer)
    return weights(core)


@pytest.mark.parametrize("kind", [Normalised, Texts])
@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_data_parallel_on_one_device_is_the_model_itself(name: str, kind: Any) -> None:
    plain, core = make(kind), make(kind)
    batch = plain.batch()
    assert torch.equal(trained(nn.DataParallel(core), core, name, batch), trained(plain, plain, name, batch))


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["fgm", "sam", "freelb", "dropattack", "dropout", "apb"])
def test_compiled_models_keep_names_and_steps(name: str) -> None:
    """With a backend that generates nothing, the wrapper is there all the same."""
    for kind in (Images, Texts):
        plain, core = make(kind), make(kind)
        batch = plain.batch()
        compiled = torch.compile(core, backend="eager")
        found = trained(compiled, core, name, batch)
        torch.testing.assert_close(found, trained(plain, plain, name, batch), rtol=1e-9, atol=1e-12)


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 4)
        self.fc = nn.Linear(4, 3)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.tanh(self.embed(ids)).mean(1))
        return logits


@pytest.mark.heavy
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fgm", {}),
        ("freelb", {}),
        ("sam", {}),
        ("dropout", {"rate": 0.5}),
        ("dropattack", {"targets": "input+fc.weight"}),
    ],
)
def test_code_that_was_compiled_without_an_attack_is_attacked_all_the_same(
    name: str, values: dict[str, Any], in_place: bool
) -> None:
    """Plain passes come first, whose code knows nothing of an attack's hooks."""
    ids = torch.randint(30, (4, 5), generator=torch.Generator().manual_seed(1))
    found = []
    for compiles in (False, True):
        core = make(Words)
        model: Any = core
        if compiles and in_place:
            core.compile(backend="eager")
        elif compiles:
            model = torch.compile(core, backend="eager")
        model(ids)
        task = Task(names={"input": "embed.weight"}, generator=torch.Generator().manual_seed(2))
        optimizer = torch.optim.SGD(core.parameters(), lr=0.1)
        dropattack.create("standard").step(model, (ids, Y), optimizer)
        dropattack.create(name, task=task, **values).step(model, (ids, Y), optimizer)
        found.append(weights(core))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)


@pytest.mark.heavy
def test_parts_that_are_compiled_have_their_own_names() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3)).double()
    names = [name for name, _ in model.named_parameters()]
    model[0] = torch.compile(model[0], backend="eager")  # type: ignore[assignment]
    assert "0._orig_mod.weight" in dict(model.named_parameters())
    assert [own_name(name) for name, _ in model.named_parameters()] == names
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for target in ("0.weight", "0._orig_mod.weight", "module.0.weight"):
        dropattack.create("dropattack", targets=target).step(model, (X, Y), optimizer)
    with pytest.raises(UsageError, match=r"valid: input, 0\.weight, 0\.bias, 1\.weight"):
        dropattack.create("dropattack", targets="none").step(model, (X, Y), optimizer)


@pytest.mark.heavy
def test_wrappers_come_off_in_any_order() -> None:
    core = nn.Linear(2, 2)
    assert unwrapped(nn.DataParallel(torch.compile(core, backend="eager"))) is core  # type: ignore[arg-type]
    assert unwrapped(torch.compile(nn.DataParallel(core), backend="eager")) is core  # type: ignore[arg-type]


def test_lbfgs_is_refused_in_one_line() -> None:
    model = nn.Linear(3, 3).double()
    before = weights(model)
    method = dropattack.create("sam")
    for take in (method.step, lambda m, b, o: method.step_on(m, [b, b], o)):
        with pytest.raises(UsageError, match="LBFGS computes its own gradients") as caught:
            take(model, (X, Y), torch.optim.LBFGS(model.parameters()))
        assert "\n" not in str(caught.value)
    assert torch.equal(before, weights(model))


@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_parameter_groups_keep_their_rates(name: str) -> None:
    """A group that does not move, and parameters in no group, stay; another moves by its own rate."""
    model, alone = make(Images), make(Images)
    batch = model.batch()
    groups = [{"params": [model.conv.weight], "lr": 0.0}, {"params": [model.fc.weight], "lr": 0.5}]
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    values = {**HYPERPARAMETERS.get(name, {}), **({"m": 1} if name == "freeat" else {})}
    method_for(name, model, **values).step(model, batch, torch.optim.SGD(groups, lr=0.1))
    method_for(name, alone, **values).step(alone, batch, torch.optim.SGD(alone.parameters(), lr=0.5))
    assert torch.equal(model.conv.weight, before["conv.weight"])
    assert torch.equal(model.conv.bias, before["conv.bias"])
    assert torch.equal(model.fc.weight, alone.fc.weight)
