"""From the names of targets to what can be attacked."""

from collections.abc import Sequence

from torch import nn

from dropattack.errors import UsageError, unknown
from dropattack.targets.activations import ActivationTarget, PixelTarget, TokenTarget
from dropattack.targets.embedding_rows import RowsTarget
from dropattack.targets.lookups import Words, by_hand
from dropattack.targets.spelling import INPUT
from dropattack.targets.target import ParameterTarget, Target
from dropattack.task import Task


def find_targets(model: nn.Module, names: Sequence[str], task: Task, tokens: bool = False) -> list[Target]:
    """What the names stand for in a model.

    Args:
        model: The model.
        names: Readable names.
        task: Translates them.
        tokens: Takes ``input``, where it stands for an embedding matrix, as the vectors of the batch's
            tokens and not as the rows of the matrix.

    Raises:
        UsageError: A name is unknown, frozen, or the same tensor as another, or ``input`` is mapped to
            something that is not an embedding matrix.
    """
    targets: list[Target] = []
    seen: dict[int, str] = {}
    for name in names:
        if name == INPUT and (tokens or INPUT not in task.names):
            targets.append(find_input(model, task))
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
        owners = _owners(model)[id(parameter)]
        if name == INPUT and not any(isinstance(owner, nn.Embedding | nn.EmbeddingBag) for owner in owners):
            raise by_hand(name)
        targets.append(_rows_or_whole(name, parameter, owners, model, task))
    return targets


def find_input(model: nn.Module, task: Task) -> ActivationTarget:
    """The batch as an attack on single examples sees it: the pixels, or the vectors of the tokens.

    Raises:
        UsageError: ``input`` is mapped to something that is not an embedding matrix.
    """
    if INPUT not in task.names:
        return PixelTarget(INPUT, model)
    parameter = _parameter(model, INPUT, task)
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.weight is parameter:
            return TokenTarget(INPUT, module, _words(module, model, task))
    raise by_hand(INPUT)


def trainable_targets(model: nn.Module, task: Task) -> list[ParameterTarget]:
    """Every parameter that is not frozen, each once."""
    owners = _owners(model)
    return [
        _rows_or_whole(name, parameter, owners[id(parameter)], model, task)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    ]


def _parameter(model: nn.Module, name: str, task: Task) -> nn.Parameter:
    try:
        return model.get_parameter(task.names.get(name, name))
    except AttributeError:
        parameters = [full for full, _ in model.named_parameters()]
        raise unknown("target", name, dict.fromkeys([INPUT, *(task.names or parameters)])) from None


def _rows_or_whole(
    name: str, parameter: nn.Parameter, owners: list[nn.Module], model: nn.Module, task: Task
) -> ParameterTarget:
    """The batch's rows of an embedding matrix that nothing else uses; of a tied one, all rows count."""
    if len(owners) == 1 and isinstance(owners[0], nn.Embedding):
        return RowsTarget(name, owners[0], _words(owners[0], model, task))
    return ParameterTarget(name, parameter)


def _words(embedding: nn.Embedding, model: nn.Module, task: Task) -> Words:
    """What tells words among an embedding's tokens: of that of ``input`` the task, of others the padding."""
    told = task.words is not None and INPUT in task.names
    ours = told and _parameter(model, INPUT, task) is embedding.weight
    return Words(model, embedding, task.words if ours else None)


def _owners(model: nn.Module) -> dict[int, list[nn.Module]]:
    owners: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                owners.setdefault(id(parameter), []).append(module)
    return owners
