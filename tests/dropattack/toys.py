"""Small float64 models, the points of every pass of a step, and gradients by `functional_call` there."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

import dropattack

IMAGE_NAMES = {"hidden": "conv.weight", "bias": "fc.bias"}
TEXT_NAMES = {"input": "embed.weight", "hidden": "rnn.weight_ih_l0", "bias": "fc.bias"}

# What each method is tried with, where the defaults are too tame, and the factor of each pass's loss in the
# update: all there is to it, but for methods that penalise gradients, and so differentiate each pass twice.
HYPERPARAMETERS = {
    "apb": {"h": 3, "eta": 0.01},
    "dropattack": {"targets": "input+hidden", "epsilon": 0.7, "k": 2},
    "dropen": {"k": 2},
    "dropout": {"rate": 0.0},
    "freeat": {"step_size": 0.03, "epsilon": 0.05},
    "l1": {"strength": 0.01},
    "l2": {"strength": 0.01},
    "awp": {"k": 2},
    "rwp": {"clean_weight": 0.25},
}
WEIGHTS = {
    "apb": [1],
    "asam": [0, 1],
    "awp": [0, 0, 0, 1],
    "dropattack": [1, 0.5, 0.5, 0.5, 0.5],
    "dropen": [1, 0, 0, 0],
    "dropout": [1],
    "esam-swp": [0, 1],
    "fgm": [1, 1],
    "fgsm": [1, 1],
    "freeat": [0, 0, 1],
    "freelb": [1 / 3, 1 / 3, 1 / 3],
    "l1": [1],
    "l2": [1],
    "pgd": [1, 0, 0, 1],
    "rwp": [0.25, 0.75],
    "sam": [0, 1],
    "standard": [1],
}
TWICE = {"dropen"}


class Images(nn.Module):
    """Takes ``[batch, 1, 6, 6]``; `seen` is given what the model really sees."""

    names = IMAGE_NAMES

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self.conv = nn.Conv2d(1, 3, 3)
        self.fc = nn.Linear(48, 4)

    def forward(self, images):
        return self.fc(torch.tanh(self.conv(self.seen(images))).flatten(1))

    def batch(self, size=5):
        return torch.rand(size, 1, 6, 6, dtype=torch.float64), torch.arange(size) % 4


class Texts(nn.Module):
    """Takes padded token ids and lengths; packs them for an LSTM."""

    names = TEXT_NAMES

    def __init__(self, vocabulary=40, padding=0, sparse=False) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self.embed = nn.Embedding(vocabulary, 6, padding_idx=padding, sparse=sparse)
        self.rnn = nn.LSTM(6, 5, batch_first=True)
        self.fc = nn.Linear(5, 4)

    def forward(self, ids, lengths, shift=0.0):
        vectors = self.seen(self.embed(ids) + shift)
        packed = nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        return self.fc(self.rnn(packed)[1][0][-1])

    def batch(self, size=5):
        lengths = torch.tensor([7, 4, 6, 2, 7] * size)[:size]
        ids = torch.randint(1, self.embed.num_embeddings, (size, 7))
        ids = ids.masked_fill(torch.arange(7) >= lengths[:, None], 0)
        return (ids, lengths), torch.arange(size) % 4


@dataclass
class Points:
    """Parameters and first activation of each pass, copied as the model saw them."""

    parameters: list[dict[str, torch.Tensor]] = field(default_factory=list)
    activations: list[torch.Tensor] = field(default_factory=list)

    def follow(self, model):
        def note(_, args):
            copies = {name: p.detach().clone() for name, p in model.named_parameters()}
            self.parameters.append(copies)
            self.activations.append(args[0].detach().clone())

        model.seen.register_forward_pre_hook(note)
        return self


def make(toy=Images, seed=0, **options):
    torch.manual_seed(seed)
    return toy(**options).double().train()


def method_for(name, model, seed=0, task=None, **hyperparameters):
    generator = torch.Generator().manual_seed(seed)
    task = {"names": model.names, "generator": generator} | (task or {})
    values = HYPERPARAMETERS.get(name, {}) | hyperparameters
    return dropattack.create(name, task=dropattack.Task(**task), **values)


def standing(model):
    """An optimizer that leaves the parameters where they are, so that `.grad` can be looked at."""
    return torch.optim.SGD(model.parameters(), lr=0.0)


def gradient_at(model, batch, parameters, activation=None):
    """Gradient of the cross entropy by all parameters, and by the activation, at a point, functionally."""
    inputs, labels = batch

    def loss(parameters, activation):
        if isinstance(inputs, tuple):
            shift = activation - parameters["embed.weight"].detach()[inputs[0]]
            return F.cross_entropy(functional_call(model, parameters, (*inputs, shift)), labels)
        return F.cross_entropy(functional_call(model, parameters, (activation,)), labels)

    if activation is None:
        activation = parameters["embed.weight"][inputs[0]] if isinstance(inputs, tuple) else inputs
    follower = dict(model.seen._forward_pre_hooks)
    model.seen._forward_pre_hooks.clear()
    try:
        leaves = {name: p.detach().clone().requires_grad_() for name, p in parameters.items()}
        start = activation.detach().clone().requires_grad_()
        *found, last = torch.autograd.grad(loss(leaves, start), [*leaves.values(), start])
        return dict(zip(leaves, found, strict=True)), last
    finally:
        model.seen._forward_pre_hooks.update(follower)


def close(actual, expected, tolerance=1e-9):
    """Whether the relative L2 error is small."""
    return (actual - expected).norm() <= tolerance * expected.norm().clamp(min=1e-12)
