"""When methods attack, what that costs, and what a model's own dropout does meanwhile: all of it counted."""

import pytest
import torch
from torch import nn

import dropattack
from dropattack.attack_settings import AttackSettings, ScheduledSettings
from dropattack.testing.methods.models import Attention, Layered, Recurrent, make, parameters_of, standing
from tests.dropattack.toys import HYPERPARAMETERS, method_for

REGISTERED = dropattack.registered()
SCHEDULED = sorted(name for name, m in REGISTERED.items() if issubclass(m.settings_type, ScheduledSettings))
ATTACKING = sorted(name for name, m in REGISTERED.items() if issubclass(m.settings_type, AttackSettings))
EPOCHS, STEPS = 5, 8


def test_all_methods_with_attacks_have_a_schedule():
    assert set(REGISTERED) - set(SCHEDULED) == {"apb", "dropout", "l1", "l2", "msam", "standard"}
    assert set(SCHEDULED) - set(ATTACKING) == {"dropen", "dropen-pgd", "r-drop"}


def with_dropout(name, kind):
    """A model on which a method differs from plain training: R-Drop does so by dropout alone."""
    return Attention if name == "r-drop" else kind


def counted(model):
    """A list that grows by one for each example that is propagated back."""
    backwards = []

    def follow(_, __, outputs):
        if outputs.requires_grad:
            torch.autograd.graph.register_multi_grad_hook([outputs], lambda _: backwards.append(len(outputs)))

    model.register_forward_hook(follow)
    return backwards


@pytest.mark.parametrize("name", SCHEDULED)
@pytest.mark.parametrize(("start", "interval"), [(0.8, 1), (0, 4), (0.5, 2), (0.6, 3)])
def test_passes_counted_are_passes_declared(name, start, interval):
    model, size = make(Layered), 4
    batch = model.batch(size)
    method = method_for(name, model, start=start, interval=interval)
    backwards = counted(model)
    declared = 0.0
    for epoch in range(EPOCHS):
        method.until = (epoch + 1) / EPOCHS
        method.begin_epoch(epoch / EPOCHS)
        for _ in range(STEPS):
            method.step(model, batch, standing(model))
        declared += method.settings.passes_at(method.until) * STEPS
    most = (method.settings.passes - 1) * (STEPS * EPOCHS % interval > 0)
    assert abs(sum(backwards) / size - declared) <= most + 1e-9
    late = EPOCHS - int(start * EPOCHS)
    assert declared == pytest.approx(STEPS * (EPOCHS + late * (method.settings.passes - 1) / interval)), (
        "worked out by hand"
    )


@pytest.mark.parametrize("name", SCHEDULED)
@pytest.mark.parametrize("kind", [Layered, Recurrent])
def test_before_its_start_a_method_is_standard_training(name, kind):
    models = [make(with_dropout(name, kind)) for _ in range(2)]
    methods = [method_for(name, models[0], start=0.5), method_for("standard", models[1])]
    optimizers = [torch.optim.AdamW(model.parameters(), lr=0.01) for model in models]
    batches = [models[0].batch() for _ in range(4)]
    for number, batch in enumerate(batches):
        for model, method, optimizer in zip(models, methods, optimizers, strict=True):
            method.until = (number + 1) / 4
            method.step(model, batch, optimizer)
        one, other = map(parameters_of, models)
        same = all(torch.equal(value, other[key]) for key, value in one.items())
        assert same == (number < 2)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, {"start": 0.5}) for name in SCHEDULED),
        ("standard", {"rounds": 2, "rounds_start": 0.5}),
        ("dropattack", {"control": "same-updates", "start": 0.5}),
    ],
)
def test_a_start_is_refused_where_nobody_says_how_far_the_training_is(name, values):
    """It would attack from the beginning, in silence."""
    model = make(Layered)
    method = method_for(name, model, **values)
    with pytest.raises(dropattack.UsageError, match=r"set method\.until"):
        method.step(model, model.batch(), standing(model))
    method.until = 0.5
    method.step(model, model.batch(), standing(model))


@pytest.mark.parametrize("name", SCHEDULED)
def test_every_nth_step_is_the_methods_own_and_resuming_goes_on_counting(name):
    """A step with an interval is one of the method without, or one of standard training."""
    whole, resumed = (make(with_dropout(name, Layered)) for _ in range(2))
    batch = whole.batch()
    method = method_for(name, whole, interval=3)
    own = []
    for number in range(7):
        before = parameters_of(whole)
        method.step(whole, batch, torch.optim.SGD(whole.parameters(), lr=0.1))
        resumed.load_state_dict(before)
        plain = method_for("standard", resumed)
        plain.steps = number
        plain.step(resumed, batch, torch.optim.SGD(resumed.parameters(), lr=0.1))
        after = parameters_of(resumed)
        if not all(torch.equal(value, after[key]) for key, value in parameters_of(whole).items()):
            own.append(number)
    assert own == [0, 3, 6]
    assert method.steps == 7
    again = method_for(name, whole, interval=3)
    again.steps = method.steps
    assert not again.settings.attacks_at(1, again.steps)


class Dropped(Layered):
    """The same with dropout, whose masks are noted."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.4)
        self.masks = []
        self.dropout.register_forward_hook(lambda _, args, out: self.masks.append((out != 0).clone()))

    def forward(self, images):
        return self.fc(self.dropout(1 + torch.tanh(self.norm(self.wide(self.seen(images).flatten(1)))) / 2))


@pytest.mark.parametrize("name", ATTACKING)
@pytest.mark.parametrize("dropout", ["fresh", "same"])
def test_masks_of_the_models_dropout_are_fresh_or_the_same(name, dropout):
    model = make(Dropped)
    values = {**HYPERPARAMETERS.get(name, {}), "dropout": dropout}
    method = method_for(name, model, **values)
    for _ in range(2):
        model.masks.clear()
        method.step(model, model.batch(), standing(model))
        first, *others = model.masks
        assert len(others) == max(method.settings.passes, 1) - 1
        assert all(torch.equal(mask, first) == (dropout == "same") for mask in others)
    method.step(model, model.batch(), standing(model))
    assert not torch.equal(model.masks[len(others) + 1], first), "every step draws anew"


@pytest.mark.parametrize("dropout", ["fresh", "same"])
def test_dropout_follows_from_the_tasks_generator(dropout):
    found = []
    for elsewhere in (0, 7):
        model = make(Attention)
        method = method_for("dropattack", model, seed=1, dropout=dropout)
        batch = model.batch()
        torch.manual_seed(elsewhere)
        before = torch.get_rng_state()
        method.step(model, batch, standing(model))
        assert torch.equal(torch.get_rng_state(), before)
        found.append(model.fc.weight.grad.clone())
    assert torch.equal(*found)


def test_dropout_does_not_depend_on_what_a_method_draws():
    """Masks are drawn between two passes of the one, and none of the other."""
    seen = []
    for name, values in (("fgm", {}), ("dropattack", {"targets": "input", "k": 1, "p": 0.5})):
        model = make(Dropped)
        for _ in range(2):
            method_for(name, model, seed=4, **values).step(model, model.batch(), standing(model))
        seen.append(model.masks)
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))


@pytest.mark.parametrize("dropout", ["fresh", "same"])
def test_without_a_generator_masks_are_the_same_or_not_too(dropout):
    model = make(Dropped)
    method = dropattack.create("fgm", dropout=dropout)
    for _ in range(2):
        model.masks.clear()
        method.step(model, model.batch(), standing(model))
        assert torch.equal(*model.masks) == (dropout == "same")


def test_without_a_generator_dropout_is_torchs():
    """The first pass draws what the model alone would draw, and the default generator moves on."""
    model = make(Attention)
    batch = model.batch()
    torch.manual_seed(5)
    expected = model(*batch[0])
    after = torch.get_rng_state()
    torch.manual_seed(5)
    seen = dropattack.create("standard").step(model, batch, standing(model))
    assert torch.equal(seen.outputs, expected)
    assert torch.equal(torch.get_rng_state(), after)


def gradients(model, method, batch, times):
    """Gradients of many steps at one point, ``[times, parameters]``."""
    found = []
    for _ in range(times):
        method.step(model, batch, standing(model))
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    return torch.stack(found)


def test_without_perturbation_fresh_masks_are_averaged_and_the_same_are_not():
    """Each of 1 + T = 2 passes with a mask of its own halves the variance of the mean gradient."""
    model = make(Dropped)
    batch = model.batch()
    spread = {}
    for name, values in {
        "standard": {},
        "same": {"targets": "input", "k": 1, "control": "eps-zero", "dropout": "same"},
        "fresh": {"targets": "input", "k": 1, "control": "eps-zero", "dropout": "fresh"},
    }.items():
        method = method_for("standard" if name == "standard" else "dropattack", model, **values)
        found = gradients(model, method, batch, 3000) / (1 if name == "standard" else 2)
        spread[name] = (found.var(0).sum() / found.mean(0).square().sum()).item()
    assert spread["same"] == pytest.approx(spread["standard"], rel=0.1)
    assert spread["fresh"] == pytest.approx(spread["standard"] / 2, rel=0.1)


def test_with_the_same_masks_eps_zero_is_a_multiple_of_the_gradient():
    model = make(Attention)
    batch = model.batch()
    found = []
    values = {"targets": "input+hidden", "k": 2, "control": "eps-zero", "dropout": "same"}
    for name, given in (("standard", {}), ("dropattack", values)):
        method_for(name, model, seed=4, **(given | ({"targets": "input+hidden"} if given else {}))).step(
            model, batch, standing(model)
        )
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert torch.allclose(found[1], 3 * found[0], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fgm", {}),
        ("fgsm", {"epsilon": 0}),
        ("pgd", {"k": 1}),
        ("asam", {"rho": 0}),
        ("esam-swp", {"beta": 1}),
        ("esam-swp", {"rho": 0}),
        ("awp", {"k": 0, "gamma": 0}),
        ("dropattack", {"epsilon": 0}),
        ("dropattack", {"control": "p-one"}),
    ],
)
def test_another_spelling_keeps_the_schedule(name, values):
    given = {"start": 0.4, "interval": 3, "dropout": "same"}
    method = dropattack.method_named(name)
    found, settings = method.canonical(method.settings_type(**values, **given), False)
    assert {key: getattr(settings, key) for key in given} == given
    assert found != name or name == "dropattack"


@pytest.mark.parametrize(("start", "interval"), [(0.4, 1), (0, 4), (0.5, 2)])
def test_equal_passes_follow_the_schedule(start, interval):
    values = {"targets": "input+hidden", "k": 2, "start": start, "interval": interval}
    attack = dropattack.create("dropattack", **values).settings
    equal = dropattack.create("dropattack", control="equal-passes", **values).settings
    for until in (0.1, 0.4, 0.45, 1):
        assert equal.passes_at(until) == equal.rounds_at(until) == attack.passes_at(until)
    name, standard = type(dropattack.create("dropattack")).canonical(equal, False)
    assert name == "standard"
    assert standard.rounds_at(0.9) == attack.passes_at(0.9)
    assert standard.control_experiment == "equal-passes"


def test_a_schedule_out_of_range_is_refused():
    for wrong in ({"start": 1}, {"start": -0.1}, {"interval": 0}, {"dropout": "none"}):
        with pytest.raises(dropattack.UsageError):
            dropattack.create("sam", **wrong)
