"""Which weights a method perturbs: all of them, those of normalisation layers, or some by name."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from dropattack.errors import UsageError
from dropattack.targets.names import find_targets, trainable_targets
from dropattack.targets.spelling import is_input, parse_targets
from dropattack.targets.target import Target
from dropattack.task import Task
from dropattack.wrappers import unwrapped

ALL, NORMS = "all", "norms"


def weight_targets(model: nn.Module, names: str, task: Task) -> list[Target]:
    """Finds the weights that ``names`` stands for.

    Args:
        model: The model.
        names: ``all`` that are trained; ``norms``, the weights and biases of normalisation layers; or names
            of weights, joined by ``+``, ``norms`` among them.
        task: Translates names.

    Raises:
        UsageError: A name is unknown, frozen or the input's, or there is no such weight.
    """
    if names == ALL:
        return list(trainable_targets(model, task))
    chosen = parse_targets(names)
    for name in chosen:
        if is_input(name) and name not in task.names:
            raise UsageError(f"this method perturbs weights, and {name!r} is none; leave it out of targets")
    grouped = NORMS in chosen and NORMS not in task.names
    found = find_targets(model, [name for name in chosen if not (grouped and name == NORMS)], task)
    return [*found, *(_of_norms(model, task, found) if grouped else ())]


def is_normalisation(layer: nn.Module) -> bool:
    """Whether a layer normalises: one of torch's, or of a class with such a name."""
    return isinstance(layer, _NormBase | nn.GroupNorm | nn.LayerNorm) or "Norm" in type(layer).__name__


def _of_norms(model: nn.Module, task: Task, named: Sequence[Target]) -> list[Target]:
    """Those of normalisation layers that are not named already."""
    layers = [layer for layer in unwrapped(model).modules() if is_normalisation(layer)]
    own = {id(parameter) for layer in layers for parameter in layer.parameters(recurse=False)}
    found = [target for target in trainable_targets(model, task) if id(target.parameter) in own]
    if not found:
        raise UsageError(
            "targets: norms needs a model with normalisation layers whose weights are trained, and this one "
            "has none; name other weights, or leave targets out"
        )
    seen = {id(target.variable) for target in named}
    return [target for target in found if id(target.parameter) not in seen]
