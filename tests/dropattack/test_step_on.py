"""One update of several batches: the mean of their gradients, each batch attacked by itself."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from dropattack import Task, UsageError

SIZES = (3, 5, 2)


def model(**extra: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), *extra.values(), nn.Tanh(), nn.Linear(6, 3)).double()


def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(size, 4, dtype=torch.float64, generator=generator),
            torch.randint(3, (size,), generator=generator),
        )
        for size in SIZES
    ]


def method(name: str, hyperparameters: dict[str, Any] | None = None, **task: Any) -> dropattack.Method[Any]:
    kind = dropattack.method_named(name)
    generator = torch.Generator().manual_seed(7)
    return kind(kind.settings_type(**(hyperparameters or {})), Task(generator=generator, **task))


def weights(trained: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trained.parameters()])


def test_without_an_attack_it_is_the_step_on_all_examples_at_once() -> None:
    parts, whole = model(), model()
    seen = method("standard").step_on(parts, batches(), torch.optim.SGD(parts.parameters(), 0.1))
    joined = torch.cat([x for x, _ in batches()]), torch.cat([y for _, y in batches()])
    expected = method("standard").step(whole, joined, torch.optim.SGD(whole.parameters(), 0.1))
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(seen.loss, expected.loss)
    torch.testing.assert_close(seen.outputs, expected.outputs)


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("fgm", {}),
        ("sam", {}),
        ("dropattack", {"targets": "input+0.weight", "p": 0.5}),
        ("pgd", {"k": 2}),
        ("l2", {}),
    ],
)
def test_an_attack_is_made_on_each_batch_by_itself(name: str, hyperparameters: dict[str, Any]) -> None:
    """Expected: the gradients of steps that move nothing, one after the other, by hand."""
    trained, by_hand = model(), model()
    method(name, hyperparameters).step_on(trained, batches(), torch.optim.SGD(trained.parameters(), 0.1))
    alone = method(name, hyperparameters)
    total = torch.zeros_like(weights(by_hand))
    for batch in batches():
        alone.step(by_hand, batch, torch.optim.SGD(by_hand.parameters(), 0.0))
        gradient = torch.cat([p.grad.flatten() for p in by_hand.parameters() if p.grad is not None])
        total += gradient * len(batch[1]) / sum(SIZES)
    torch.testing.assert_close(weights(trained), weights(by_hand) - 0.1 * total, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "values", [{"control": "equal-passes"}, {"p": 0}, {"control": "equal-passes", "k": 3}]
)
def test_a_control_without_an_attack_is_standard_training_here_too(values: dict[str, Any]) -> None:
    one, other = model(), model()
    hyperparameters = {"targets": "input+0.weight", "epsilon": 5.0, **values}
    control = method("dropattack", hyperparameters)
    control.step_on(one, batches(), torch.optim.SGD(one.parameters(), 0.1))
    method("standard").step_on(other, batches(), torch.optim.SGD(other.parameters(), 0.1))
    assert torch.equal(weights(one), weights(other))
    assert control.steps == 1


def test_a_step_of_one_batch_is_the_step() -> None:
    one, other = model(), model()
    method("fgm").step_on(one, batches()[:1], torch.optim.SGD(one.parameters(), 0.1))
    method("fgm").step(other, batches()[0], torch.optim.SGD(other.parameters(), 0.1))
    assert torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("dropout", ["fresh", "same"])
def test_batches_of_a_step_draw_different_dropout(dropout: str) -> None:
    drawn: list[Tensor] = []
    noisy = model(noise=nn.Dropout(0.5))
    noisy[1].register_forward_hook(lambda _, __, out: drawn.append((out == 0).detach().clone()))
    same = [(torch.ones(64, 4).double(), torch.zeros(64, dtype=torch.int64))] * 2
    method("fgm", {"dropout": dropout}).step_on(noisy, same, torch.optim.SGD(noisy.parameters(), 0.1))
    assert len(drawn) == 4
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[0], drawn[1]) == (dropout == "same")


def test_a_bad_batch_leaves_the_whole_update_out_and_the_running_statistics_alone() -> None:
    bad = batches()
    bad[1][0][0, 0] = torch.nan
    trained = model(norm=nn.BatchNorm1d(6))
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    seen = method("standard").step_on(trained, bad, torch.optim.SGD(trained.parameters(), 0.1, momentum=0.9))
    assert seen.log["skipped_updates"] == 1
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


def test_the_norm_of_the_mean_is_clipped() -> None:
    trained = model()
    optimizer = torch.optim.SGD(trained.parameters(), 1.0)
    before = weights(trained)
    method("standard", clip_norm=0.01).step_on(trained, batches(), optimizer)
    assert float((weights(trained) - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_it_counts_as_one_step() -> None:
    """An interval goes by updates: of two, the first attacks both of its batches, the second none."""
    calls: list[int] = []
    trained = model()
    trained.register_forward_hook(lambda *_: calls.append(1))
    rare = method("fgm", {"interval": 2})
    optimizer = torch.optim.SGD(trained.parameters(), 0.1)
    counts = []
    for _ in range(2):
        rare.step_on(trained, batches()[:2], optimizer)
        counts.append(len(calls))
    assert rare.steps == 2
    assert sorted([counts[0], counts[1] - counts[0]]) == [2, 4]


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("freeat", {"m": 2}),
        ("standard", {"rounds": 2, "updates": "same"}),
        ("dropattack", {"control": "same-updates"}),
    ],
)
def test_methods_that_make_their_own_updates_refuse(name: str, hyperparameters: dict[str, Any]) -> None:
    trained = model()
    refused = method(name, hyperparameters)
    assert not refused.accumulates(refused.settings)
    with pytest.raises(UsageError, match="makes its own updates"):
        refused.step_on(trained, batches(), torch.optim.SGD(trained.parameters(), 0.1))


def test_a_method_with_a_step_of_its_own_refuses() -> None:
    class Own(dropattack.Standard):
        def step(self, model, batch, optimizer):  # type: ignore[no-untyped-def]
            return super().step(model, batch, optimizer)

    assert not dropattack.Method.accumulates.__func__(Own, Own.settings_type())  # type: ignore[attr-defined]


def test_an_empty_batch_is_refused() -> None:
    empty = [*batches(), (torch.empty(0, 4).double(), torch.empty(0, dtype=torch.int64))]
    trained = model()
    with pytest.raises(UsageError, match="empty"):
        method("standard").step_on(trained, empty, torch.optim.SGD(trained.parameters(), 0.1))
