"""Every method on models as other people have them, their batches in any form."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from tests.dropattack.outsiders import FORMS, NAMES, Outsider, outsider
from tests.dropattack.toys import HYPERPARAMETERS

METHODS = sorted(dropattack.registered())
OWN_BIASES = {"gpt2"}
"""Models without a bias that apb could own."""
WITHOUT_CLASSES = {"regression", "table"}


@pytest.fixture(autouse=True)
def _on_one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def values(name: str, model: Outsider) -> dict[str, Any]:
    chosen: dict[str, Any] = HYPERPARAMETERS.get(name, {})
    return {**chosen, "targets": f"input+{model.hidden}"} if name == "dropattack" else chosen


def refused(kind: str, name: str) -> str:
    """What a method says of a model that it is not for; "" where it is."""
    if name == "apb" and kind in OWN_BIASES:
        return "apb needs a model with"
    compares = dropattack.method_named(name).settings_type().needs_distribution
    return "compares distributions" if compares and kind in WITHOUT_CLASSES else ""


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", NAMES)
def test_every_form_of_a_batch_is_the_same_step_and_restores(kind: str, name: str) -> None:
    given = outsider(kind)
    found = []
    for form in FORMS:
        model = given.copy()
        method = given.method(name, **values(name, given))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        if refusal := refused(kind, name):
            with pytest.raises(dropattack.UsageError, match=refusal):
                method.step(model, given.batch(form), optimizer)
            continue
        result = method.step(model, given.batch(form), optimizer)
        owned = method.owns(model)
        before = dict(given.model.named_parameters())
        assert result.loss.isfinite()
        assert result.log["skipped_updates"] == 0
        assert all(torch.equal(p, before[n]) for n, p in model.named_parameters() if n not in owned)
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
        found.append({**gradients(model), "the loss": result.loss})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for key, value in found[0].items():
            torch.testing.assert_close(other[key], value, rtol=1e-9, atol=1e-13)


def assert_is(model: nn.Module, expected: dict[str, Tensor]) -> None:
    found = gradients(model)
    for name, value in expected.items():
        actual = found.get(name, torch.zeros_like(value))
        torch.testing.assert_close(actual, value, rtol=1e-8, atol=1e-11, msg=name)


def added(*parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: sum((part[name] for part in parts[1:]), parts[0][name]) for name in parts[0]}


def lengths(rows: Tensor) -> Tensor:
    return rows.flatten(1).norm(dim=1).view(-1, *[1] * (rows.dim() - 1))


def stepped(given: Outsider, name: str, form: str, **hyperparameters: Any) -> nn.Module:
    model = given.copy()
    method = given.method(name, **hyperparameters)
    method.step(model, given.batch(form), torch.optim.SGD(model.parameters(), lr=0.0))
    return model


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", NAMES)
def test_fgm_is_the_gradient_of_both_points(kind: str, form: str) -> None:
    """Each example's input moves by ε along its gradient: numbers, or the vectors of its words."""
    given = outsider(kind)
    start = dict(given.model.named_parameters())
    clean, by = given.gradients(start)
    attacked, _ = given.gradients(start, 0.5 * by / lengths(by))
    assert_is(stepped(given, "fgm", form, epsilon=0.5), added(clean, attacked))


@pytest.mark.parametrize("kind", NAMES)
def test_pgd_goes_on_from_where_it_came(kind: str) -> None:
    given = outsider(kind)
    start = dict(given.model.named_parameters())
    clean, by = given.gradients(start)
    first = 0.3 * by / lengths(by)
    _, again = given.gradients(start, first)
    second = first + 0.3 * again / lengths(again)
    second = second * (0.5 / lengths(second)).clamp(max=1)
    attacked, _ = given.gradients(start, second)
    found = stepped(given, "pgd", "hf", epsilon=0.5, alpha=0.3, k=2)
    assert_is(found, added(clean, attacked))


@pytest.mark.parametrize("kind", NAMES)
def test_sam_is_the_gradient_up_the_slope(kind: str) -> None:
    given = outsider(kind)
    start = dict(given.model.named_parameters())
    slope, _ = given.gradients(start)
    norm = torch.cat([g.flatten() for g in slope.values()]).norm()
    uphill = {name: p + 0.05 * slope[name] / norm for name, p in start.items()}
    assert_is(stepped(given, "sam", "hf"), given.gradients(uphill)[0])


@pytest.mark.parametrize("kind", NAMES)
def test_dropattack_is_the_sum_of_three_gradients(kind: str) -> None:
    given = outsider(kind)
    start = dict(given.model.named_parameters())
    clean, by = given.gradients(start)
    one, _ = given.gradients(start, 0.7 * by / by.norm())
    hidden = clean[given.hidden]
    moved = {**start, given.hidden: start[given.hidden] + 0.7 * hidden / hidden.norm()}
    other, _ = given.gradients(moved)
    targets = f"input+{given.hidden}"
    found = stepped(given, "dropattack", "mapping", targets=targets, epsilon=0.7, p=1.0)
    assert_is(found, added(clean, one, other))


@pytest.mark.parametrize("kind", NAMES)
def test_dropen_doubles_a_batch_of_any_form(kind: str) -> None:
    """Two masks of a model without dropout are one: the similarity is 1, and the loss is that of one."""
    given = outsider(kind)
    for form in FORMS:
        model = given.copy()
        method = given.method("dropen", compare="masks", k=1, smoothness=0.0)
        result = method.step(model, given.batch(form), torch.optim.SGD(model.parameters(), lr=0.0))
        plain = given.copy()
        optimizer = torch.optim.SGD(plain.parameters(), lr=0.0)
        expected = given.method("standard").step(plain, given.batch(form), optimizer)
        torch.testing.assert_close(result.loss, expected.loss)
        assert float(result.log["cosine"]) == pytest.approx(1.0)


def test_batches_of_different_lengths_are_one_update() -> None:
    """Outputs that do not fit together stay apart; the update is of the mean by examples."""
    given = outsider("bert")
    short = {
        name: value[:1, :3] if value.dim() > 1 else value[:1] for name, value in given.batch("hf").items()
    }
    model, alone = given.copy(), given.copy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    seen = given.method("fgm").step_on(model, [given.batch("hf"), short], optimizer)
    for batch, share in ((given.batch("hf"), 4 / 5), (short, 1 / 5)):
        given.method("fgm").accumulate(alone, batch, share)
    assert_is(model, gradients(alone))
    assert seen.outputs.logits.shape == (5, 3)
    assert seen.outputs.loss.shape == (2,)
