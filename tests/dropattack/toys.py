"""What each method is tried with, the points of a step's passes, and gradients by `functional_call` there."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch.func import functional_call

import dropattack
from dropattack.testing.methods.models import Images, Texts, make, standing

__all__ = ["Images", "Points", "Texts", "close", "gradient_at", "make", "method_for", "standing"]

# What each method is tried with, where the defaults are too tame, and the factor of each pass's loss in the
# update: all there is to it, but for methods that penalise gradients, and so differentiate each pass twice,
# and for those of `APART`.
HYPERPARAMETERS = {
    "apb": {"h": 3, "eta": 0.01},
    "dropattack": {"targets": "input+hidden", "epsilon": 0.7, "k": 2},
    "dropen": {"k": 2},
    "dropen-pgd": {"k": 2},
    "dropout": {"rate": 0.0},
    "freeat": {"step_size": 0.03, "epsilon": 0.05},
    "l1": {"strength": 0.01},
    "l2": {"strength": 0.01},
    "awp": {"k": 2},
    "rwp": {"clean_weight": 0.25},
    "trades": {"k": 2},
}
WEIGHTS = {
    "apb": [1],
    "asam": [0, 1],
    "awp": [0, 0, 0, 1],
    "dropattack": [1, 0.5, 0.5, 0.5, 0.5],
    "dropen": [1, 0, 0, 0],
    "dropen-pgd": [0, 0, 0, 1],
    "dropout": [1],
    "esam-swp": [0, 1],
    "fgm": [1, 1],
    "fgsm": [1, 1],
    "freeat": [0, 0, 1],
    "freelb": [1 / 3, 1 / 3, 1 / 3],
    "fgsm-rs": [0, 1],
    "l1": [1],
    "l2": [1],
    "msam": [1],
    "n-fgsm": [0, 1],
    "pgd": [1, 0, 0, 1],
    "rwp": [0.25, 0.75],
    "sam": [0, 1],
    "standard": [1],
}
TWICE = {"dropen": 2, "dropen-pgd": 1.5}
"""Methods that differentiate twice: all of a step, or the half of it that is attacked."""
APART = {"r-drop": 2, "trades": 4, "vat": 3}
"""Methods whose passes give the gradient of a divergence too, with their number of passes."""
GRAPHS = {"r-drop": [0, 1], "trades": [0, 1, 1, 1]}
"""How many graphs of earlier passes are alive when a pass begins, where any is."""


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


def method_for(name, model, seed=0, task=None, **hyperparameters):
    generator = torch.Generator().manual_seed(seed)
    task = {"names": model.names, "generator": generator} | (task or {})
    values = HYPERPARAMETERS.get(name, {}) | hyperparameters
    return dropattack.create(name, task=dropattack.Task(**task), **values)


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
