"""Padding is no word: not attacked as a token, and no row of a matrix because of it."""

from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

import dropattack
from dropattack import UsageError
from dropattack.robustness import attacking, victim
from dropattack.robustness.ascent import random_point
from dropattack.robustness.attacks import Attack
from tests.dropattack.toys import Points, close, make, method_for, standing

PAD = 2
LAYOUTS = {
    "right": [[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]],
    "left": [[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]],
    "middle": [[1, 0, 0, 1, 0, 1], [1, 1, 0, 0, 0, 1], [0, 1, 1, 1, 1, 0]],
}
ATTACKS = [
    ("awp", {"k": 2}),
    ("dropattack", {"text_input": "tokens", "p": 1.0, "k": 2}),
    ("dropattack", {"text_input": "tokens", "p": 0.5, "norm": "sample", "step_mode": "accumulate", "k": 2}),
    ("dropattack", {"text_input": "tokens", "p": 1.0, "control": "random-direction"}),
    ("dropen", {"k": 2}),
    ("freeat", {"m": 3, "step_size": 0.1, "epsilon": 0.2}),
    ("freelb", {"k": 3, "magnitude": 0.6, "max_norm": 0.5}),
]


class Pooled(nn.Module):
    """The mean over all positions, padding too, of what the words do to each other."""

    names: ClassVar = {"input": "embed.weight", "hidden": "mix.weight", "bias": "fc.bias"}

    def __init__(self, padding=None):
        super().__init__()
        self.embed = nn.Embedding(9, 4, padding_idx=padding)
        self.seen = nn.Identity()
        self.mix = nn.Linear(4, 5)
        self.fc = nn.Linear(5, 3)

    def vectors(self, ids):
        return self.embed(input=ids)

    def forward(self, ids, mask, shift=0.0):
        vectors = self.seen(self.vectors(ids) + shift)
        return self.fc(torch.tanh(self.mix(vectors)).square().mean(1))


def batch_of(layout, ends=False):
    """A batch, of which the first word is one with the padding's own id where a text has ``ends``."""
    mask = torch.tensor(LAYOUTS[layout])
    ids = torch.randint(3, 9, mask.shape, generator=torch.Generator().manual_seed(1))
    ids = ids.masked_fill(mask == 0, PAD)
    if ends:
        ids[torch.arange(3), mask.argmax(1)] = PAD
    return (ids, mask), torch.tensor([0, 2, 1])


def by_mask(inputs):
    return inputs[1].bool()


def told(ends):
    """A model and a task that know padding: by the embedding's ``padding_idx``, or by the attention mask."""
    return (make(Pooled), {"words": by_mask}) if ends else (make(Pooled, padding=PAD), {})


def shifts(points, ids):
    """What was added to the tokens' vectors in each pass."""
    for parameters, activation in zip(points.parameters, points.activations, strict=True):
        rows = ids[-len(activation) :]  # Dropen also passes the second half alone
        yield rows, activation - parameters["embed.weight"][rows], activation, parameters


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "values"), ATTACKS)
def test_no_method_attacks_padding_as_a_token(name, values, layout, ends):
    model, task = told(ends)
    (ids, mask), labels = batch_of(layout, ends)
    points = Points().follow(model)
    method = method_for(name, model, task=task, **values)
    method.step(model, ((ids, mask), labels), standing(model))
    attacked = False
    for rows, shift, activation, parameters in shifts(points, ids):
        padding = mask[-len(rows) :] == 0
        assert torch.equal(activation[padding], parameters["embed.weight"][rows][padding])
        attacked |= bool(shift[~padding].abs().max() > 1e-3)
    assert attacked
    if name == "freeat":
        delta = method.state_dict()["delta"]
        assert delta[mask == 0].abs().max() == 0
        assert delta[mask == 1].abs().max() > 0.09


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("control", ["none", "random-direction"])
@pytest.mark.parametrize("norm", ["tensor", "sample"])
def test_words_get_the_whole_budget(layout, ends, control, norm):
    model, task = told(ends)
    (ids, mask), labels = batch_of(layout, ends)
    points = Points().follow(model)
    values = {"text_input": "tokens", "targets": "input", "p": 1.0, "k": 1, "control": control, "norm": norm}
    method_for("dropattack", model, task=task, epsilon=0.7, **values).step(
        model, ((ids, mask), labels), standing(model)
    )
    (_, clean, *_), (_, shift, *_) = shifts(points, ids)
    assert clean.abs().max() == 0
    words = shift[mask == 1].norm() if norm == "tensor" else shift.flatten(1).norm(dim=1)
    assert close(words, torch.full_like(words, 0.7))


@pytest.mark.parametrize("ends", [False, True])
def test_the_direction_is_the_gradient_without_padding(ends):
    model, task = told(ends)
    (ids, mask), labels = batch_of("middle", ends)
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    shift = torch.zeros(3, 6, 4, dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(functional_call(model, weights, (ids, mask, shift)), labels)
    (gradient,) = torch.autograd.grad(loss, shift)
    assert gradient[mask == 0].norm() > 0.5 * gradient[mask == 1].norm()  # padding would matter here
    gradient = gradient * mask[..., None]
    points = Points().follow(model)
    freelb = method_for("freelb", model, task=task, k=2, magnitude=0.0, step_size=0.3)
    freelb.step(model, ((ids, mask), labels), standing(model))
    moved = list(shifts(points, ids))[1][1]
    assert close(moved, 0.3 * gradient / gradient.flatten(1).norm(dim=1)[:, None, None])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_freelb_counts_the_words_that_a_task_tells(layout):
    model, task = told(ends=True)
    (ids, mask), labels = batch_of(layout, ends=True)
    points = Points().follow(model)
    freelb = method_for("freelb", model, task=task, k=1, magnitude=0.6)
    freelb.step(model, ((ids, mask), labels), standing(model))
    ((_, noise, *_),) = shifts(points, ids)
    for example, words in zip(noise, mask.sum(1).tolist(), strict=True):
        assert 0.5 * 0.6 / (4 * words) ** 0.5 < example.abs().max() <= 0.6 / (4 * words) ** 0.5


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4), (3, 2, 5), (3, 2, 2, 3)])
def test_freelb_counts_the_words_of_each_example_however_they_are_arranged(shape):
    """One word an example, or sentences of words, also with as many words as a vector has elements (4)."""

    class Arranged(Pooled):
        def vectors(self, ids):
            self.met = self.embed(ids)
            return self.met.reshape(len(ids), -1, 4)

    model = make(Arranged, padding=PAD)
    ids = torch.randint(3, 9, shape, generator=torch.Generator().manual_seed(1))
    ids.view(3, -1)[1, 1:] = PAD
    method = method_for("freelb", model, k=1, magnitude=0.6)
    method.step(model, ((ids, ids), torch.tensor([0, 2, 1])), standing(model))
    noise = model.met.detach() - model.embed.weight.detach()[ids]
    assert noise[ids == PAD].count_nonzero() == 0
    for example, tokens in zip(noise, ids, strict=True):
        bound = 0.6 / (4 * (tokens != PAD).sum().item()) ** 0.5
        assert 0.5 * bound < example.abs().max() <= bound


@pytest.mark.parametrize(("name", "values"), ATTACKS)
def test_a_text_of_padding_alone_stays_as_it_is(name, values):
    model, task = told(ends=True)
    (ids, mask), labels = batch_of("right")
    ids[2], mask[2] = PAD, 0
    points = Points().follow(model)
    result = method_for(name, model, task=task, **values).step(model, ((ids, mask), labels), standing(model))
    assert all(shift[-1].abs().max() == 0 for _, shift, *_ in shifts(points, ids))
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert result.log["skipped_updates"] == 0


def test_relative_sizes_are_those_of_the_words():
    model, task = told(ends=True)
    (ids, mask), labels = batch_of("left")
    points = Points().follow(model)
    values = {"text_input": "tokens", "targets": "input", "p": 1.0, "k": 1, "epsilon_scale": "relative"}
    method = method_for("dropattack", model, task=task, epsilon=0.1, **values)
    log = method.step(model, ((ids, mask), labels), standing(model)).log
    moved = list(shifts(points, ids))[1][1]
    words = model.embed.weight.detach()[ids][mask == 1]
    assert moved.norm().item() == pytest.approx(0.1 * words.norm().item())
    assert log["relative_size"].item() == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["dropattack", "fgm", "sam", "rwp"])
@pytest.mark.parametrize("ends", [False, True])
def test_the_row_of_padding_is_attacked_where_it_is_a_word_too(name, ends):
    model = make(Pooled)
    batch = batch_of("left", ends)
    start = model.embed.weight.detach().clone()
    points = Points().follow(model)
    values = {"targets": "input", "p": 1.0, "k": 1} if name == "dropattack" else {}
    method_for(name, model, task={"words": by_mask}, **values).step(model, batch, standing(model))
    moved = (points.parameters[-1]["embed.weight"] != start).any(1)
    words = torch.zeros(9, dtype=torch.bool)
    words[batch[0][0][batch[0][1] == 1]] = True
    assert torch.equal(moved, words)
    assert moved[PAD] == ends
    expected, factors = torch.zeros_like(start), {"sam": (0, 1), "rwp": (0.25, 0.75)}.get(name, (1, 1))
    for factor, parameters in zip(factors, list(points.parameters), strict=True):
        leaf = parameters["embed.weight"].clone().requires_grad_()
        logits = functional_call(model, {**parameters, "embed.weight": leaf}, batch[0])
        expected += factor * torch.autograd.grad(F.cross_entropy(logits, batch[1]), leaf)[0]
    assert expected[PAD].abs().max() > 1e-4
    assert close(model.embed.weight.grad, expected)


def test_a_row_met_as_padding_first_and_as_a_word_later_counts_once():
    class Twice(Pooled):
        def vectors(self, ids):
            return self.embed(ids) + self.embed(ids.flip(1))

    model = make(Twice)
    (ids, mask), labels = batch_of("right")
    ids[0, 5], mask[0, 5] = 4, 0  # a word's id as padding; flipped it stands at a word's place
    ids[ids == 4] = 5
    ids[0, 5] = 4
    start = model.embed.weight.detach().clone()
    points = Points().follow(model)
    method_for("sam", model, task={"words": by_mask}).step(model, ((ids, mask), labels), standing(model))
    moved = points.parameters[-1]["embed.weight"] != start
    assert moved[4].any()
    leaf = points.parameters[-1]["embed.weight"].clone().requires_grad_()
    logits = functional_call(model, {**points.parameters[-1], "embed.weight": leaf}, (ids, mask))
    expected = torch.autograd.grad(F.cross_entropy(logits, labels), leaf)[0]
    assert close(model.embed.weight.grad, expected)


def test_other_embeddings_go_by_their_own_padding():
    class Placed(Pooled):
        def __init__(self):
            super().__init__()
            self.places = nn.Embedding(6, 4)

        def vectors(self, ids):
            return self.embed(ids) + self.places(torch.arange(6))

    model = make(Placed)
    start = model.places.weight.detach().clone()
    points = Points().follow(model)
    task = {"words": by_mask}
    method_for("sam", model, task=task).step(model, batch_of("right"), standing(model))
    assert (points.parameters[-1]["places.weight"] != start).any(1).all()


WRONG = {
    "an attention mask of integers": (lambda inputs: inputs[1], r"not torch\.int64 \[3, 6\]"),
    "transposed": (lambda inputs: inputs[1].bool().T, r"not torch\.bool \[6, 3\]"),
    "of each text": (lambda inputs: inputs[1].bool().any(1), r"not torch\.bool \[3\]"),
    "no tensor": (lambda inputs: inputs[1].bool().tolist(), "not list"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", ["freelb", "fgm", "sam"])
def test_what_tells_no_words_is_refused(name, words, message):
    model = make(Pooled)
    start = model.embed.weight.detach().clone()
    with pytest.raises(UsageError, match=rf"Task\.words must return torch\.bool \[3, 6\], .*{message}$"):
        method_for(name, model, task={"words": words}).step(model, batch_of("right"), standing(model))
    assert torch.equal(model.embed.weight, start)
    assert not model._forward_pre_hooks
    assert not model.embed._forward_hooks


@pytest.mark.parametrize("several", [False, True])
def test_words_are_told_by_what_the_model_is_called_with(several):
    given = []

    class Alone(Pooled):
        def forward(self, ids, *rest):
            return super().forward(ids, None)

    def words(inputs):
        given.append(inputs)
        return torch.ones(3, 6, dtype=torch.bool)

    model = make(Alone)
    (ids, mask), labels = batch_of("right")
    inputs = (ids, mask) if several else ids
    method_for("freelb", model, task={"words": words}).step(model, (inputs, labels), standing(model))
    assert given[0] == inputs if several else given[0] is ids


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("attack", ["pgd-4", "pgd-l2-4", "fgm", "noise-3", "margin-4"])
def test_attacks_on_a_trained_model_leave_padding_alone(attack, ends):
    model, task = told(ends)
    inputs, labels = batch_of("middle", ends)
    padding = inputs[1] == 0
    with attacking(model):
        attacked = victim(model, inputs, dropattack.Task(names=model.names, **task))
        found = Attack.parse(attack)(attacked, labels, 0.5, torch.Generator().manual_seed(0))
        moved = found - attacked.start
    assert moved[padding].abs().max() == 0
    assert moved[~padding].abs().max() > 0.01


def test_random_points_spend_their_distance_on_words():
    model, task = told(ends=True)
    inputs, _ = batch_of("right")
    attacked = victim(model, inputs, dropattack.Task(names=model.names, **task))
    drawn = random_point(attacked, 0.5, "l2", torch.Generator().manual_seed(0)) - attacked.start
    again = torch.Generator().manual_seed(0)
    torch.randn(3, 6, 4, generator=again, dtype=torch.float64)
    distance = 0.5 * torch.rand(3, 1, 1, generator=again, dtype=torch.float64)
    assert close(drawn[inputs[1] == 1].norm(), distance.norm())
