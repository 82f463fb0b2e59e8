"""Models inside of other modules: data parallelism and `torch.compile` rename a model's parameters."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

_COMPILED = "_orig_mod"
_P = inspect.Parameter


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, without `nn.DataParallel`, `DistributedDataParallel` or `torch.compile` around it."""
    while True:
        if isinstance(model, nn.DataParallel | DistributedDataParallel):
            model = cast(nn.Module, model.module)
        elif isinstance(inner := model._modules.get(_COMPILED), nn.Module):
            model = inner
        else:
            return model


def own_name(name: str) -> str:
    """A parameter's name without what wrappers add to it."""
    return name.removeprefix("module.").replace(f"{_COMPILED}.", "").removeprefix("module.")


def argument_names(model: nn.Module) -> tuple[str, ...]:
    """What a model calls the arguments that it takes by place, in their order."""
    return _declared(type(unwrapped(model)).forward)[0]


def takes(model: nn.Module, name: str) -> bool:
    """Whether a model may be called with an argument of this name."""
    names, named, others = _declared(type(unwrapped(model)).forward)
    return others or name in names or name in named


@cache
def _declared(forward: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Arguments of ``forward`` by place, those by name alone, and whether there may be others."""
    _, *declared = inspect.signature(forward).parameters.values()
    kinds = {p.name: p.kind for p in declared}
    by_place = tuple(n for n, k in kinds.items() if k in (_P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD))
    by_name = tuple(n for n, k in kinds.items() if k is _P.KEYWORD_ONLY)
    return by_place, by_name, _P.VAR_KEYWORD in kinds.values()


def hides_hooks(model: nn.Module) -> bool:
    """Whether compiled passes of a model take no notice of hooks inside it that come and go.

    Generated code looks for them where ``torch._dynamo.config.skip_nnmodule_hook_guards`` is false.
    """
    while isinstance(model, nn.DataParallel | DistributedDataParallel):
        model = cast(nn.Module, model.module)
    if _COMPILED not in model._modules and model._compiled_call_impl is None:
        return False
    return bool(torch._dynamo.config.skip_nnmodule_hook_guards)


def device_of(model: nn.Module) -> torch.device:
    """Where a model's first parameter is; the CPU for a model that has none."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def shares_gradients(model: nn.Module) -> bool:
    """Whether a backward pass of the model would average gradients over processes now."""
    return isinstance(model, DistributedDataParallel) and bool(model.require_backward_grad_sync)


def eagerly(model: nn.Module) -> AbstractContextManager[object]:
    """Runs passes without generated code where that would not see hooks; see `hides_hooks`."""
    return torch.compiler.set_stance("force_eager") if hides_hooks(model) else nullcontext()


def in_one_process(model: nn.Module) -> AbstractContextManager[object]:
    """Keeps the passes inside from averaging gradients over processes; see `average_gradients`.

    Each of them would exchange the whole gradient, and those that compute a target's gradient alone would
    leave the exchange unfinished.
    """
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()


def average_gradients(model: nn.Module, overflow: Tensor | None = None) -> None:
    """Averages every ``.grad`` over the processes of a `DistributedDataParallel`; of other models, nothing.

    Args:
        model: The wrapper.
        overflow: 0-dimensional; becomes the largest of all processes, so that all leave the same updates out.
    """
    if not isinstance(model, DistributedDataParallel):
        return
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter, mean in zip(trained, averaged(model, [p.grad for p in trained]), strict=True):
        parameter.grad = mean
    if overflow is not None:
        distributed.all_reduce(overflow, distributed.ReduceOp.MAX, group=model.process_group)


def averaged(model: nn.Module, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Gradients averaged over the processes of a `DistributedDataParallel`; of other models, as they are.

    Args:
        model: The wrapper.
        gradients: One for each trained parameter; ``None``, of one that this process has not used, counts as
            zeros. Dense ones are averaged in place.
    """
    if not isinstance(model, DistributedDataParallel):
        return list(gradients)
    trained = (parameter for parameter in model.parameters() if parameter.requires_grad)
    found = [
        torch.zeros_like(parameter) if gradient is None else gradient.to_dense()
        for parameter, gradient in zip(trained, gradients, strict=True)
    ]
    flat = [gradient.contiguous() for gradient in found]
    group = model.process_group
    waiting = [distributed.all_reduce(tensor, group=group, async_op=True) for tensor in flat]
    for work in waiting:
        work.wait()
    torch._foreach_div_(flat, distributed.get_world_size(group))
    for gradient, tensor in zip(found, flat, strict=True):
        if tensor is not gradient:
            gradient.copy_(tensor)
    return list(found)
