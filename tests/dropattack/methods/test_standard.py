"""Standard training and the two controls of its cost, against accumulation written out by hand."""

import pytest
import torch
import torch.nn.functional as F

import dropattack
from dropattack.testing.methods.models import Images, Normalised, make, parameters_of
from tests.dropattack.toys import method_for


@pytest.mark.parametrize("control", [False, True])
def test_several_batches_make_one_update_of_their_mean_gradient(control):
    """As torch's own accumulation does; DropAttack's control and the settings it stands for."""
    model, other = make(Images), make(Images)
    batches = [model.batch() for _ in range(6)]
    if control:
        method = method_for("dropattack", model, targets="input+hidden", k=1, control="same-updates")
    else:
        method = method_for("standard", model, rounds=3, updates="same")
    one, two = (torch.optim.AdamW(m.parameters(), lr=0.01) for m in (model, other))
    updates = []
    one.register_step_post_hook(lambda *_: updates.append(1))
    for batch in batches:
        method.step(model, batch, one)
    for group in (batches[:3], batches[3:]):
        two.zero_grad()
        for inputs, labels in group:
            (F.cross_entropy(other(inputs), labels) / 3).backward()
        two.step()
    assert len(updates) == 2
    for name, value in parameters_of(model).items():
        assert torch.allclose(value, other.get_parameter(name), rtol=1e-12)


def test_updates_of_unlike_numbers_of_batches_are_means_too():
    """2.5 rounds of two batches: three batches make the first update, and two the second."""
    model, other = make(Images), make(Images)
    batches = [model.batch() for _ in range(5)]
    method = method_for("standard", model, rounds=2.5, updates="same")
    one, two = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, other))
    for batch in batches:
        method.step(model, batch, one)
    for group in (batches[:3], batches[3:]):
        two.zero_grad()
        torch.stack([F.cross_entropy(other(inputs), labels) for inputs, labels in group]).mean().backward()
        two.step()
    for name, value in parameters_of(model).items():
        assert torch.allclose(value, other.get_parameter(name), rtol=1e-12)


def test_an_epoch_forgets_gradients_that_made_no_update():
    model, other = make(Images), make(Images)
    batches = [model.batch() for _ in range(3)]
    found = []
    for one, given in ((model, batches), (other, batches[1:])):
        method = method_for("standard", one, rounds=2, updates="same")
        optimizer = torch.optim.SGD(one.parameters(), lr=0.1)
        for number, batch in enumerate(given):
            if number == len(given) - 2:
                method.begin_epoch(0.5)
            method.step(one, batch, optimizer)
        found.append(parameters_of(one))
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_a_broken_batch_among_several_leaves_the_update_out():
    model = make(Normalised)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    method = method_for("standard", model, rounds=2, updates="same")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images, labels = model.batch()
    method.step(model, (images * float("nan"), labels), optimizer)
    last = method.step(model, (images, labels), optimizer)
    assert last.log["skipped_updates"] == 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_rounds_begin_with_their_start():
    settings = dropattack.create("standard", rounds=3, updates="same", rounds_start=0.5).settings
    assert [settings.rounds_at(until) for until in (0.1, 0.5, 0.51, 1)] == [1, 1, 3, 3]
    assert settings.control_experiment == "same-updates"
    assert dropattack.create("standard", rounds=1.5).settings.control_experiment == "equal-passes"
    assert dropattack.create("standard", updates="same").settings.control_experiment == ""


@pytest.mark.parametrize(
    ("rounds", "until", "sizes"),
    [(3, 0.5, [1, 1, 1, 1]), (3, 0.6, [3, 3, 3, 3]), (2.5, 1, [3, 2, 3, 2]), (1.25, 1, [1, 2, 1, 1])],
)
def test_an_epoch_has_as_many_updates_as_one_round(rounds, until, sizes):
    """Four batches a round; the sizes of the updates are worked out by hand."""
    model = make(Images)
    method = method_for("standard", model, rounds=rounds, updates="same", rounds_start=0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    updated = []
    optimizer.register_step_post_hook(lambda *_: updated.append(method.steps))
    for _ in range(2):
        method.steps = 0
        updated.clear()
        method.until = until
        method.begin_epoch(0.5)
        for _ in range(sum(sizes)):
            method.step(model, model.batch(), optimizer)
        assert [after - before for before, after in zip([-1, *updated], updated, strict=False)] == sizes
