"""Temporary modes of a model during the passes of a step."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.utils.rnn import PackedSequence


@contextmanager
def frozen_batch_statistics(model: nn.Module) -> Iterator[None]:
    """Keeps BatchNorm's running statistics as they are; batches are still normalised by their own.

    An attacked pass sees a distribution that is not the one at test time, so its statistics stay out of
    the running averages, as is usual for sharpness-aware training.
    """
    tracking = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True


@contextmanager
def recurrent_without_cudnn(*models: nn.Module) -> Iterator[None]:
    """Leaves cuDNN out where a model has recurrent layers; no other flag of PyTorch's backends changes.

    (`torch.backends.cudnn.flags` would also set whether TF32 is allowed, and which algorithms are.)
    """
    recurrent = any(isinstance(module, nn.RNNBase) for model in models for module in model.modules())
    cudnn = torch.backends.cudnn
    enabled = cudnn.enabled
    cudnn.enabled = enabled and not recurrent
    try:
        yield
    finally:
        cudnn.enabled = enabled


@contextmanager
def recurrent_gradients(*models: nn.Module) -> Iterator[None]:
    """Lets gradients pass the recurrent layers of models in eval mode, on a GPU too.

    cuDNN computes none in that mode. So PyTorch's own recurrent layers are put in training mode, which
    changes nothing but that where they have no dropout between layers. cuDNN is left out where one has, and
    where the class is a user's, whose training mode may mean more, unless it says ``same_in_training =
    True``. Every layer's mode is restored.
    """
    recurrent = [m for model in models for m in model.modules() if isinstance(m, nn.RNNBase)]
    modes = [module.training for module in recurrent]
    plain = all(map(_same_in_training, recurrent))
    try:
        for module in recurrent if plain else []:
            module.training = True
        with nullcontext() if plain else recurrent_without_cudnn(*models):
            yield
    finally:
        for module, mode in zip(recurrent, modes, strict=True):
            module.training = mode


def _same_in_training(module: nn.RNNBase) -> bool:
    """Whether a recurrent layer computes in training mode what it computes in eval mode."""
    torchs = type(module) in (nn.RNN, nn.LSTM, nn.GRU)
    return not module.dropout and bool(getattr(module, "same_in_training", torchs))


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Puts a model in eval mode for some passes, whose gradients pass recurrent layers too."""
    modules = list(model.modules())
    modes = [module.training for module in modules]
    model.eval()
    try:
        with recurrent_gradients(model):
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Runs recurrent layers without cuDNN, attention without fused kernels: they have no second derivative.

    Attention is plain matrix products then, whose weights take length² numbers of memory for each head.
    """
    with recurrent_without_cudnn(model), sdpa_kernel(SDPBackend.MATH):
        yield


@contextmanager
def mixed_precision(model: nn.Module, device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """Autocast for one pass, with recurrent layers left out of it; nothing where ``dtype`` is ``None``.

    On a GPU, autocast hands recurrent layers to cuDNN in float16, whatever type was asked for; their
    gradients would vanish without a scaled loss. Here they compute in the type of their own weights.

    Args:
        model: May hold `nn.LSTM`, `nn.GRU` and `nn.RNN`, or be one.
        device: The model's.
        dtype: Of the products, such as ``torch.bfloat16``.
    """
    if dtype is None:
        yield
        return
    recurrent = [m for m in model.modules() if isinstance(m, nn.RNNBase)]
    own = [vars(module).get("forward") for module in recurrent]
    for module in recurrent:
        vars(module)["forward"] = _without_autocast(module, device.type)
    try:
        with torch.autocast(device.type, dtype, cache_enabled=False):
            yield
    finally:
        for module, forward in zip(recurrent, own, strict=True):
            if forward is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = forward


def _without_autocast(module: nn.RNNBase, device: str) -> Callable[..., Any]:
    """A module's forward pass out of autocast, on inputs of its weights' type."""
    forward = module.forward

    def run(*inputs: Any, **named: Any) -> Any:
        dtype = module.all_weights[0][0].dtype

        def cast(value: Any) -> Any:
            if isinstance(value, PackedSequence):
                return value._replace(data=cast(value.data))
            if isinstance(value, tuple):
                return tuple(map(cast, value))
            floating = isinstance(value, Tensor) and value.is_floating_point()
            return value.to(dtype) if floating else value

        with torch.autocast(device, enabled=False):
            return forward(*cast(inputs), **{name: cast(value) for name, value in named.items()})

    return run


class KeptStatistics:
    """The running statistics of a model's normalisation layers as they were before a step.

    Args:
        model: In training mode; layers that update no statistics do not count.
    """

    def __init__(self, model: nn.Module) -> None:
        layers = [m for m in model.modules() if isinstance(m, _NormBase) and m.training]
        self._now = [buffer for layer in layers for buffer in layer.buffers(recurse=False)]
        self._before = [buffer.clone() for buffer in self._now]

    @torch.no_grad()
    def restore(self, where: Tensor) -> None:
        """Puts them back where the 0-dimensional ``where`` is true; the host does not wait for a GPU."""
        if where.is_cpu and not where:
            return
        for now, before in zip(self._now, self._before, strict=True):
            now.copy_(torch.where(where.to(now.device), before, now))


@contextmanager
def model_draws(
    device: torch.device, seed: int | None = None, repeated: Tensor | None = None
) -> Iterator[Tensor]:
    """Decides what a model draws in a pass, such as dropout's masks, from torch's default generator.

    Args:
        device: The model's.
        seed: Begins the draws; the default generator then stands where it stood when the pass is over. With
            ``None`` they are its own.
        repeated: Without a seed, the state that an earlier pass began with, to draw the same again.

    Yields:
        The state that the pass begins with.
    """
    source, get, put = _default_generator(device)
    before = get()
    began = before if repeated is None else repeated
    if seed is not None:
        began = torch.Generator(source).manual_seed(seed).get_state()
    put(began)
    try:
        yield began
    finally:
        if seed is not None or repeated is not None:
            put(before)


def derived_seed(*numbers: int) -> int:
    """A seed for each tuple of whole numbers, as unlike others as if drawn."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=7).digest(), "big")


def _default_generator(
    device: torch.device,
) -> tuple[torch.device, Callable[[], Tensor], Callable[[Tensor], object]]:
    """Whose default generator a device draws from, and how its state is read and set without a wait.

    A device that has none of its own draws from the CPU's.
    """
    module: Any = getattr(torch, device.type, None)
    if device.type == "cpu" or not hasattr(module, "get_rng_state"):
        return torch.device("cpu"), torch.get_rng_state, torch.set_rng_state
    if device.type == "mps":
        return device, module.get_rng_state, module.set_rng_state
    return device, partial(module.get_rng_state, device), partial(module.set_rng_state, device=device)
