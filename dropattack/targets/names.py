"""Finds targets in a model by their names."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from dropattack.errors import UsageError, unknown
from dropattack.targets.activations import (
    ActivationTarget,
    ComputedTarget,
    InputTarget,
    NormalisedTokenTarget,
    TokenTarget,
)
from dropattack.targets.arguments import floats
from dropattack.targets.embedding_rows import RowsTarget
from dropattack.targets.lookups import Words, by_hand
from dropattack.targets.spelling import INPUT, is_input
from dropattack.targets.target import ParameterTarget, Target
from dropattack.task import Task
from dropattack.wrappers import hides_hooks, own_name, unwrapped

T = TypeVar("T", bound=Target)


def find_targets(
    model: nn.Module,
    names: Sequence[str],
    task: Task,
    tokens: bool = False,
    inputs: Any = None,
    normalised: bool = False,
) -> list[Target]:
    """Finds the targets that the names stand for in a model.

    Args:
        model: The model.
        names: Readable names.
        task: Translates them.
        tokens: Where ``input`` stands for an embedding matrix, attacks the vectors of the batch's tokens and
            not the rows of the matrix.
        inputs: See `find_input`.
        normalised: See `find_input`.

    Raises:
        UsageError: A name is unknown, frozen, or the same tensor as another, or ``input`` is mapped to
            something that is not an embedding matrix.
    """
    targets: list[Target] = []
    seen: dict[int, str] = {}
    owners: dict[int, list[nn.Module]] = {}
    for name in names:
        if name == INPUT and (tokens or not words_are_input(task)):
            targets.append(find_input(model, task, inputs, normalised))
            continue
        computing = _computing(model, task.names.get(name, name))
        if computing is not None:
            targets.append(_told(ComputedTarget(name, computing), model))
            continue
        parameter = _found(model, name, task)
        if parameter is None and is_input(name) and name != INPUT:
            targets.append(InputTarget(name, model, _argument(name)))
            continue
        parameter = _parameter(model, name, task)
        if not parameter.requires_grad:
            raise UsageError(
                f"target {name!r} is frozen (requires_grad is False); unfreeze it or leave it out"
            )
        if id(parameter) in seen:
            raise UsageError(
                f"targets {seen[id(parameter)]!r} and {name!r} are one tied tensor; name it once"
            )
        seen[id(parameter)] = name
        owners = owners or _owners(model)
        owning = owners[id(parameter)]
        if name == INPUT and not any(isinstance(owner, nn.Embedding | nn.EmbeddingBag) for owner in owning):
            raise by_hand(name)
        targets.append(_rows_or_whole(name, parameter, owning, model, task))
    return targets


def words_are_input(task: Task) -> bool:
    """Whether a task maps ``input`` to an embedding matrix, whose rows are no examples."""
    return INPUT in task.names and not is_input(task.names[INPUT])


def find_input(
    model: nn.Module, task: Task, inputs: Any = None, normalised: bool = False
) -> ActivationTarget:
    """The target for an attack on single examples: the batch's numbers, or the vectors of its tokens.

    Args:
        model: The model.
        task: Defines ``input``; see `Task.names`.
        inputs: What the model is called with. Where the task defines no ``input`` and these hold no
            floating-point tensor, the attack is at the embedding that the model returns from
            ``get_input_embeddings``, as those of Hugging Face do.
        normalised: Attacks vectors of tokens in units of their deviation; see `NormalisedTokenTarget`.

    Raises:
        UsageError: ``input`` is mapped to something that is not an embedding matrix.
    """
    own = _own_embedding(model)
    if not words_are_input(task):
        embedding = None if _has_floats(inputs) else own
        if embedding is None or INPUT in task.names:
            argument = _argument(task.names[INPUT]) if INPUT in task.names else None
            return InputTarget(INPUT, model, argument)
    else:
        parameter = _parameter(model, INPUT, task)
        owners = (m for m in (own, *model.modules()) if isinstance(m, nn.Embedding))
        embedding = next((m for m in owners if m.weight is parameter), None)
        if embedding is None:
            raise by_hand(INPUT)
    kind = NormalisedTokenTarget if normalised else TokenTarget
    return _told(kind(INPUT, embedding, _words(embedding, model, task), _shapes(inputs)), model)


def trainable_targets(model: nn.Module, task: Task) -> list[ParameterTarget]:
    """Every parameter that is not frozen, each once.

    Raises:
        UsageError: All are frozen.
    """
    owners = _owners(model)
    found = [
        _rows_or_whole(name, parameter, owners[id(parameter)], model, task)
        for name, parameter in unwrapped(model).named_parameters()
        if parameter.requires_grad
    ]
    if not found:
        raise UsageError("the model has no parameter that is trained: none has requires_grad")
    return found


def _argument(name: str) -> str | None:
    """The model's argument that ``input.image`` names; ``None`` for ``input``."""
    return name.partition(".")[2] or None


def _shapes(inputs: Any) -> set[torch.Size]:
    """Shapes of the token ids, ``[batch, length]``, among a model's inputs."""
    found = tree_leaves(inputs) if isinstance(inputs, dict | tuple | torch.Tensor) else []
    return {
        leaf.shape
        for leaf in found
        if isinstance(leaf, torch.Tensor) and leaf.dim() == 2 and not leaf.is_floating_point()
    }


def _has_floats(inputs: Any) -> bool:
    """Whether a model's inputs hold a tensor to attack; true where the inputs are unknown."""
    if isinstance(inputs, dict):
        return bool(floats(inputs))
    parts = inputs if type(inputs) is tuple else (inputs,)
    return inputs is None or bool(floats(dict(zip(map(str, range(len(parts))), parts, strict=True))))


def _own_embedding(model: nn.Module) -> nn.Embedding | None:
    """The embedding in which a model declares that it looks its tokens up.

    Of an encoder and a decoder of Hugging Face it is the encoder's: the model itself names a matrix that both
    share, in a module that nothing calls.
    """
    core = unwrapped(model)
    if getattr(getattr(core, "config", None), "is_encoder_decoder", False):
        core = unwrapped(cast(Any, core).get_encoder())
    ask = getattr(core, "get_input_embeddings", None)
    if ask is None:
        return None
    try:
        found = ask()
    except NotImplementedError:  # what models of images say
        return None
    return found if isinstance(found, nn.Embedding) else None


def _found(model: nn.Module, name: str, task: Task) -> nn.Parameter | None:
    """The parameter of this name, whatever is wrapped around the model or its parts."""
    wanted, core = task.names.get(name, name), unwrapped(model)
    try:
        return core.get_parameter(wanted)
    except AttributeError:
        own = own_name(wanted)
        named = core.named_parameters(remove_duplicate=False)
        return next((parameter for full, parameter in named if own_name(full) == own), None)


def _parameter(model: nn.Module, name: str, task: Task) -> nn.Parameter:
    parameter = _found(model, name, task)
    if parameter is None:
        parameters = [own_name(full) for full, _ in unwrapped(model).named_parameters()]
        if name in task.names:
            told = unknown("parameter", task.names[name], parameters)
            raise UsageError(f"Task.names maps {name!r} to no parameter of the model: {told}")
        raise unknown("target", name, dict.fromkeys([INPUT, *(task.names or parameters)]))
    return parameter


def _computing(model: nn.Module, name: str) -> nn.Module | None:
    """The parametrization that computes the tensor of this name; see `torch.nn.utils.parametrize`."""
    head, _, tensor = own_name(name).rpartition(".")
    try:
        owner = unwrapped(model).get_submodule(head)
    except AttributeError:
        return None
    if tensor in owner._parameters or not parametrize.is_parametrized(owner, tensor):
        return None
    computing: nn.Module = getattr(owner.parametrizations, tensor)
    return computing


def _rows_or_whole(
    name: str, parameter: nn.Parameter, owners: list[nn.Module], model: nn.Module, task: Task
) -> ParameterTarget:
    """The batch's rows of an embedding matrix that nothing else uses; all rows of a tied one.

    It is also all rows where a class of embeddings has its own ``forward``, which may look up something else
    than it is called with. BART and Whisper call their learned positions with tokens, and count these.
    """
    if len(owners) == 1 and type(owners[0]).forward is nn.Embedding.forward:
        embedding = cast(nn.Embedding, owners[0])
        return _told(RowsTarget(name, embedding, _words(embedding, model, task)), model)
    return ParameterTarget(name, parameter)


def _told(target: T, model: nn.Module) -> T:
    """A target with hooks inside of the model, which compiled passes may not see."""
    target.eager = hides_hooks(model)
    return target


def _words(embedding: nn.Embedding, model: nn.Module, task: Task) -> Words:
    """What marks words among an embedding's tokens: the task for that of ``input``, padding for others."""
    if words_are_input(task):
        ours = _parameter(model, INPUT, task) is embedding.weight
    else:
        ours = _own_embedding(model) is embedding
    return Words(model, embedding, task.words if ours else None, ours)


def _owners(model: nn.Module) -> dict[int, list[nn.Module]]:
    owners: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                owners.setdefault(id(parameter), []).append(module)
    return owners
