"""Models inside of other modules: the same step, under the same names."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

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


def normed(kind: str) -> nn.Sequential:
    torch.manual_seed(0)
    first = nn.Linear(3, 4)
    if kind == "old weight_norm":
        first = nn.utils.weight_norm(first)
    elif kind != "plain":
        first = getattr(parametrizations, kind)(first)
    return nn.Sequential(first, nn.Tanh(), nn.Linear(4, 3)).double()


@pytest.mark.parametrize("kind", ["weight_norm", "orthogonal", "old weight_norm"])
@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_methods_run_on_weights_that_are_computed_and_restore_them(name: str, kind: str) -> None:
    model = normed(kind)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    method = dropattack.create(name, task=Task(generator=torch.Generator().manual_seed(1)))
    result = method.step(model, (X, Y), torch.optim.SGD(model.parameters(), lr=0.0))
    assert result.log["skipped_updates"] == 0
    owned = method.owns(model)
    assert all(torch.equal(before[n], p) for n, p in model.named_parameters() if n not in owned)


@pytest.mark.parametrize("kind", ["weight_norm", "orthogonal", "spectral_norm"])
def test_a_computed_weight_is_attacked_as_the_layer_sees_it(kind: str) -> None:
    """Expected: the gradient by g and v at W + ε ∇_W / ‖∇_W‖, with W(g, v) + that shift by hand."""
    model = normed(kind).eval()
    method = dropattack.create("dropattack", targets="0.weight", epsilon=0.5, p=1.0)
    method.step(model, (X, Y), torch.optim.SGD(model.parameters(), lr=0.0))
    loss = nn.functional.cross_entropy

    def outputs(weight: Tensor) -> Tensor:
        found: Tensor = model[2](torch.tanh(nn.functional.linear(X, weight, model[0].bias)))
        return found

    parameters = list(model.parameters())
    weight = model[0].weight.detach().requires_grad_()
    (by,) = torch.autograd.grad(loss(outputs(weight), Y), [weight])
    shift = 0.5 * by / by.norm()
    clean = torch.autograd.grad(loss(outputs(model[0].weight), Y), parameters, allow_unused=True)
    there = torch.autograd.grad(loss(outputs(model[0].weight + shift), Y), parameters, allow_unused=True)
    for parameter, one, other in zip(parameters, clean, there, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, one + other)


def test_a_computed_weight_that_is_read_twice_says_what_to_attack() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = parametrizations.weight_norm(nn.Linear(3, 3))

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.fc(self.fc(x))
            return found

    model = Twice().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(UsageError, match="used twice in one pass; attack the parameters that it is computed"):
        dropattack.create("dropattack", targets="fc.weight").step(model, (X, Y), optimizer)
    name = "fc.parametrizations.weight.original1"
    dropattack.create("dropattack", targets=name).step(model, (X, Y), optimizer)
    assert parametrize.is_parametrized(model.fc)


PARALLEL = """
import os, sys
import torch
import torch.nn.functional as F
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

import dropattack
from tests.dropattack.test_wrappers import network, halves
from tests.dropattack.toys import HYPERPARAMETERS

rank = int(sys.argv[1])
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
found = {}
for name in sorted(dropattack.registered()):
    core = network()
    model = DistributedDataParallel(core)
    optimizer = torch.optim.SGD(core.parameters(), lr=0.1, momentum=0.9)
    values = HYPERPARAMETERS.get(name, {}) | ({"targets": "input+0.weight"} if name == "dropattack" else {})
    task = dropattack.Task(generator=torch.Generator().manual_seed(1))
    method = dropattack.create(name, task=task, **values)
    for _ in range(2):
        method.step(model, halves()[rank], optimizer)
    found[name] = [p.detach().clone() for p in core.parameters()]
    if method.hands_over(method.settings):
        for take in ("accumulate", "deferred"):
            core.zero_grad()
            with model.no_sync():
                share = 1.0 + rank  # what a loop makes of a batch may differ between processes
                if take == "deferred":
                    (method.deferred(model, halves()[rank]).loss * share).backward()
                else:
                    method.accumulate(model, halves()[rank], share)
            seen = getattr(method, take)(model, halves()[rank])
            if take == "deferred":
                seen.loss.backward()
            found[name, take] = [p.grad.clone() for p in core.parameters()]
class Inside(nn.Module):
    def __init__(self):
        super().__init__()
        self.model, self.method = network(), dropattack.create("sam")

    def forward(self, batch):
        return self.method.deferred(self.model, batch).loss

core = Inside()
model = DistributedDataParallel(core)
optimizer = torch.optim.SGD(core.parameters(), lr=0.1, momentum=0.9)
for _ in range(2):
    optimizer.zero_grad()
    model(halves()[rank]).backward()
    optimizer.step()
found["inside"] = [p.detach().clone() for p in core.parameters()]
scaling = dropattack.LossScale(4.0)
core = network()
model = DistributedDataParallel(core)
images, labels = halves()[rank]
method = dropattack.create("fgm", task=dropattack.Task(scaling=scaling))
method.step(model, (images * (torch.inf if rank else 1), labels), torch.optim.SGD(core.parameters(), lr=0.1))
found["overflow"] = [*(p.detach().clone() for p in core.parameters()), scaling.factor.clone()]
torch.save(found, f"{sys.argv[2]}.{rank}")
distributed.destroy_process_group()
"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def halves() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    return [(torch.rand(4, 3, dtype=torch.float64), torch.randint(3, (4,))) for _ in range(2)]


@pytest.mark.heavy
def test_processes_attack_by_themselves_and_average_gradients(tmp_path: Any) -> None:
    """Expected: one process that takes each half by itself, and moves by the mean of both gradients.

    The step may be inside of what is wrapped, as with Lightning, whose modules compute their loss there.
    """
    meeting = tmp_path / "meeting"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PARALLEL]
    running = [
        subprocess.Popen([*command, str(rank), str(meeting)], env=environment, stderr=subprocess.PIPE)
        for rank in (0, 1)
    ]
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    found = [torch.load(f"{meeting}.{rank}") for rank in (0, 1)]
    for key, values in found[0].items():
        for one, other in zip(values, found[1][key], strict=True):
            assert torch.equal(one, other), key
    assert all(torch.equal(p, q) for p, q in zip(network().parameters(), found[0]["overflow"], strict=False))
    assert found[0]["overflow"][-1] == 2.0
    for one, other in zip(found[0]["sam"], found[0]["inside"], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    for name in sorted(set(dropattack.registered()) - {"freeat", "apb"}):
        core = network()
        optimizer = torch.optim.SGD(core.parameters(), lr=0.1, momentum=0.9)
        values = HYPERPARAMETERS.get(name, {}) | (
            {"targets": "input+0.weight"} if name == "dropattack" else {}
        )
        methods = [
            dropattack.create(name, task=Task(generator=torch.Generator().manual_seed(1)), **values)
            for _ in range(2)
        ]
        for _ in range(2):
            optimizer.zero_grad()
            for method, half in zip(methods, halves(), strict=True):
                method.accumulate(core, half, 0.5)
            optimizer.step()
        for parameter, theirs in zip(core.parameters(), found[0][name], strict=True):
            torch.testing.assert_close(theirs, parameter, rtol=1e-9, atol=1e-12, msg=name)
        for take in ("accumulate", "deferred"):
            core.zero_grad()
            for rank, (method, half) in enumerate(zip(methods, halves(), strict=True)):
                method.accumulate(core, half, 0.5 * (1 + rank))
                method.accumulate(core, half, 0.5)
            for parameter, theirs in zip(core.parameters(), found[0][name, take], strict=True):
                torch.testing.assert_close(theirs, parameter.grad, rtol=1e-9, atol=1e-12, msg=name)
