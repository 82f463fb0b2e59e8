"""Lanes of a stack against the same trials, each trained alone by its own method and torch's Adam."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from dropattack import Task, UsageError
from tests.dropattack.toys import Images, Texts
from trainables.lanes.methods import lane_method, structure
from trainables.lanes.stack import Stack
from trainables.lanes.stacked_adam import StackedAdam

STEPS = 4
WORD_NAMES = {"input": "embed.weight", "hidden": "fc.weight", "bias": "fc.bias"}
RATES = [1e-3, 1e-3, 4e-3]
NUMBERS = [{"epsilon": 0.7, "p": 0.5}, {"epsilon": 0.0, "p": 1.0}, {"epsilon": 3.0, "p": 0.2}]


class Words(nn.Module):
    """Means of embedded words; takes padded token ids and lengths."""

    names = WORD_NAMES

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 5)
        self.fc = nn.Linear(5, 4)

    def forward(self, tokens, lengths):
        inside = torch.arange(tokens.shape[1]) < lengths[:, None]
        return self.fc(torch.tanh((self.embed(tokens) * inside[..., None]).sum(1) / lengths[:, None]))

    def batch(self, size=5):
        lengths = torch.randint(2, 7, (size,))
        tokens = torch.randint(2, 30, (size, int(lengths.max())))
        inside = torch.arange(tokens.shape[1]) < lengths[:, None]
        return (tokens.masked_fill(~inside, 1), lengths), torch.arange(size) % 4


class Told(Words):
    """The same with padding between the words, whose row has a gradient and is not attacked."""

    @staticmethod
    def words(inputs):
        return inputs[0] != 1

    def batch(self, size=5):
        (tokens, lengths), labels = super().batch(size)
        return (tokens.index_fill(1, torch.tensor([1]), 1), lengths), labels


class Normalised(Images):
    """With batch normalisation, whose running statistics are part of a lane's state."""

    def __init__(self):
        super().__init__()
        self.seen = nn.BatchNorm2d(1)


def trial(toy, name, seed, hyperparameters, names=None):
    torch.manual_seed(seed)
    model = toy().double().train()
    generator, words = torch.Generator().manual_seed(seed), getattr(toy, "words", None)
    task = Task(names=names or model.names, generator=generator, words=words)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATES[seed], fused=True)
    return model, dropattack.create(name, task=task, **hyperparameters), optimizer


def stacked(batches):
    inputs, labels = zip(*batches, strict=True)
    if isinstance(inputs[0], torch.Tensor):
        return torch.stack(inputs), torch.stack(labels)
    longest = max(tokens.shape[1] for tokens, _ in inputs)
    tokens = torch.stack([F.pad(t, (0, longest - t.shape[1]), value=1) for t, _ in inputs])
    return (tokens, torch.stack([lengths for _, lengths in inputs])), torch.stack(labels)


class Pair:
    """Trials trained alone, and the same trials as lanes, on the same batches."""

    def __init__(self, toy, name, settings):
        self.alone = [trial(toy, name, seed, values) for seed, values in enumerate(settings)]
        models, methods, optimizers = zip(
            *[trial(toy, name, seed, values) for seed, values in enumerate(settings)], strict=True
        )
        self.models = models
        self.stack = Stack(models)
        self.adam = StackedAdam(self.stack, optimizers)
        self.method = lane_method(methods)
        torch.manual_seed(9)

    def step(self):
        batches = [model.batch() for model, _, _ in self.alone]
        if isinstance(batches[0][0], torch.Tensor):
            batches = [(inputs.double(), labels) for inputs, labels in batches]
        self.inputs, self.labels = stacked(batches)
        expected = [m.step(model, b, o) for (model, m, o), b in zip(self.alone, batches, strict=True)]
        return self.method.step(self.stack, self.inputs, self.labels, self.adam), expected

    def assert_equal(self, atol=1e-9):
        for lane, (model, _, _) in enumerate(self.alone):
            for name, value in model.state_dict().items():
                state = self.stack.parameters | self.stack.buffers
                torch.testing.assert_close(state[name][lane], value, rtol=0, atol=atol)


def options(**shared):
    return [shared | numbers for numbers in NUMBERS]


@pytest.mark.parametrize("toy", [Images, Words, Told, Normalised])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("standard", [{}] * 3),
        ("l1", [{"strength": strength} for strength in (0, 0.01, 0.1)]),
        ("l2", [{"strength": strength} for strength in (0, 0.01, 0.1)]),
        ("dropattack", options(targets="input+hidden")),
        ("dropattack", options(targets="input+hidden", k=3)),
        ("dropattack", options(targets="input+hidden", k=3, preset="notebook")),
        ("dropattack", options(targets="hidden+bias", norm="row", mask="row")),
        ("dropattack", options(targets="input+hidden", norm="sample", grouping="per-target")),
        ("dropattack", options(targets="input+bias", norm="joint", grouping="joint", rescale=True)),
        ("dropattack", options(targets="input", combine="mean", clean_weight=0.5, direction="last", k=2)),
        ("dropattack", options(targets="input+hidden", clean_weight=0, epsilon_scale="relative")),
        ("dropattack", options(targets="hidden", mask="tensor", batch_norm="updated")),
        ("dropattack", options(targets="input", mask="tensor", k=2)),
        ("dropattack", options(targets="input", mask="row", control="random-direction")),
        ("dropattack", options(targets="input+hidden", control="random-direction", k=2)),
        (
            "dropattack",
            [
                {"targets": "input+hidden", "control": "eps-zero"},
                {"targets": "input+hidden", "control": "p-one", "p": 0.3, "epsilon": 0.5},
                {"targets": "input+hidden", "input_ratio": 0.2, "epsilon": 0.5},
            ],
        ),
        ("dropattack", [{"control": c, "rescale": True} for c in ("p-one-norm", "none", "p-one")]),
        ("dropattack", [{"targets": targets, "k": 2} for targets in ("hidden", "bias", "bias+hidden")]),
        (
            "dropattack",
            [
                {"targets": f"input+{targets}", "control": "random-direction", "rescale": True, "k": 2}
                for targets in ("bias", "hidden", "bias+hidden")
            ],
        ),
        (
            "dropattack",
            [
                {"targets": targets, "grouping": "joint", "epsilon_scale": "relative", "epsilon": 0.3}
                for targets in ("input+bias", "hidden+input", "bias+hidden+input")
            ],
        ),
        ("dropattack", [{"p": 0}, {"control": "none", "p": 0, "k": 3}, {"p": 0, "epsilon": 1}]),
    ],
)
def test_a_lane_is_its_trial_alone(toy, name, settings):
    pair = Pair(toy, name, settings)
    for _ in range(STEPS):
        result, expected = pair.step()
        for lane, alone in enumerate(expected):
            assert result.log.keys() == alone.log.keys()
            torch.testing.assert_close(result.loss[lane], alone.loss)
            torch.testing.assert_close(result.outputs[lane], alone.outputs)
            for name in alone.log:
                torch.testing.assert_close(result.log[name][lane], alone.log[name])
    pair.assert_equal()


@pytest.mark.parametrize("toy", [Images, Normalised, Words])
def test_not_a_number_in_one_lane_is_that_lanes_alone(toy):
    pair = Pair(toy, "dropattack", options(targets="input+hidden", k=2))
    broken = pair.stack.parameters["fc.bias"]
    broken[1, 0] = float("nan")
    with torch.no_grad():
        pair.alone[1][0].fc.bias[0] = float("nan")
    for _ in range(2):
        result, expected = pair.step()
    assert result.log["skipped_updates"].tolist() == [0, 1, 0]
    assert [alone.log["skipped_updates"].item() for alone in expected] == [0, 1, 0]
    pair.alone[1][0].fc.bias.data.nan_to_num_(0)
    broken.nan_to_num_(0)
    pair.assert_equal()
    pair.step()
    pair.assert_equal()


def test_mixed_precision_is_a_lanes_as_it_is_a_trials():
    one, other = (Pair(Words, "dropattack", options(targets="input+hidden")) for _ in range(2))
    for pair in (one, other):
        for _, method, _ in pair.alone:
            method.task = replace(method.task, autocast=torch.bfloat16)
    one.method.tasks = [replace(task, autocast=torch.bfloat16) for task in one.method.tasks]
    result, expected = one.step()
    exact, _ = other.step()
    for lane, alone in enumerate(expected):
        torch.testing.assert_close(result.loss[lane], alone.loss, rtol=1e-2, atol=0)
    assert not torch.equal(result.loss, exact.loss.to(result.loss.dtype))


def test_dropped_lanes_leave_the_others_as_they_are():
    pair = Pair(Images, "dropattack", options(targets="input+hidden", k=2))
    pair.step()
    for part in (pair.stack, pair.adam, pair.method):
        part.keep([2, 0])
    pair.alone = [pair.alone[2], pair.alone[0]]
    pair.step()
    assert len(pair.stack) == 2
    pair.assert_equal()


def test_a_lane_goes_on_alone():
    pair = Pair(Images, "dropattack", options(targets="input+hidden"))
    for _ in range(2):
        pair.step()
    model, method, optimizer = trial(Images, "dropattack", 2, options(targets="input+hidden")[2])
    method.task.generator.set_state(pair.method.tasks[2].generator.get_state())
    pair.stack.copy_to(2, model)
    pair.adam.copy_to(2, optimizer, model)
    batch = pair.inputs[2], pair.labels[2]
    pair.alone[2][1].step(pair.alone[2][0], batch, pair.alone[2][2])
    method.step(model, batch, optimizer)
    for one, other in zip(model.parameters(), pair.alone[2][0].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_lanes_of_different_age_take_their_own_steps():
    """A lane that has trained alone before joins with its own moments and number of updates."""
    settings = options(targets="hidden")
    trials = [[trial(Images, "dropattack", seed, settings[seed]) for seed in (0, 1)] for _ in range(2)]
    batch = trials[0][0][0].batch()[0].double(), torch.arange(5) % 4
    for group in trials:
        model, method, optimizer = group[0]
        method.step(model, batch, optimizer)
    models, methods, optimizers = zip(*trials[0], strict=True)
    stack, method = Stack(models), lane_method(methods)
    method.step(stack, *stacked([batch, batch]), StackedAdam(stack, optimizers))
    for lane, (model, alone, optimizer) in enumerate(trials[1]):
        alone.step(model, batch, optimizer)
        for name, value in model.named_parameters():
            torch.testing.assert_close(stack.parameters[name][lane], value.detach(), rtol=0, atol=1e-9)


def test_structure_says_who_may_share_a_stack():
    def of(name, **hyperparameters):
        return structure(name, dropattack.method_named(name).settings_type(**hyperparameters))

    def same(one, other):
        return of("dropattack", **one) == of("dropattack", **other)

    assert same({"epsilon": 1}, {"epsilon": 2, "p": 0.1, "control": "eps-zero"})
    assert not same({"k": 1}, {"k": 2})
    assert not same({}, {"control": "random-direction"})
    assert same({"targets": "fc.bias"}, {"targets": "fc.bias+fc.weight"})
    assert not same({"targets": "input"}, {"targets": "fc.weight"})
    assert not same({"targets": "fc.bias", "norm": "joint"}, {"targets": "fc.weight", "norm": "joint"})
    assert of("dropattack", p=0) == of("standard")
    passes = {"control": "equal-passes", "targets": "input+fc.weight"}
    assert of("dropattack", **passes) == of("standard", rounds=3)
    assert of("l1", strength=1) != of("l2", strength=1)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sam", {}, "'sam' cannot be a lane .*standard, l1, l2, dropattack"),
        ("dropattack", {"text_input": "tokens"}, "tokens cannot be a lane"),
        ("dropattack", {"norm": "row"}, "norm row of the input"),
    ],
)
def test_what_a_lane_cannot_do_is_refused(name, settings, message):
    with pytest.raises(UsageError, match=message):
        structure(name, dropattack.method_named(name).settings_type(**settings))


def test_trials_that_differ_in_more_than_numbers_are_refused():
    with pytest.raises(UsageError, match="differ in numbers only"):
        lane_method([trial(Images, "dropattack", 0, {"k": k})[1] for k in (1, 2)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 2).requires_grad_(False)), "frozen parameters"),
        (lambda: nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 2)), "cannot have dropout"),
        (lambda: nn.Sequential(nn.Embedding(4, 2, padding_idx=0)), "without padding_idx"),
        (lambda: nn.Sequential(nn.Embedding(4, 2), nn.Embedding(4, 2)), "one embedding"),
        (Texts, "nn.LSTM has no batching rule"),
    ],
)
def test_models_that_cannot_be_stacked_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        Stack([make(), make()])


def test_models_of_different_structure_are_refused():
    with pytest.raises(UsageError, match="one structure"):
        Stack([nn.Linear(4, 2), nn.Linear(4, 3)])


def test_an_input_that_is_no_number_cannot_be_attacked():
    names = {"hidden": "fc.weight"}
    trials = [trial(Words, "dropattack", seed, {"targets": "input"}, names) for seed in (0, 1)]
    models, methods, optimizers = zip(*trials, strict=True)
    stack = Stack(models)
    with pytest.raises(UsageError, match="'input' cannot be attacked in lanes"):
        lane_method(methods).step(
            stack, *stacked([m.batch() for m in models]), StackedAdam(stack, optimizers)
        )


def test_optimizers_that_differ_in_more_than_the_rate_are_refused():
    models = [Images(), Images()]
    optimizers = [torch.optim.Adam(models[0].parameters()), torch.optim.Adam(models[1].parameters(), eps=1)]
    with pytest.raises(UsageError, match="learning rates only"):
        StackedAdam(Stack(models), optimizers)
